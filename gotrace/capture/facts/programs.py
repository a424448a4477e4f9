"""What became of a program that was to be static, or for musl: whether it has a loader, and what it needs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gotrace.capture.facts.builds import GoBuild
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Image, Processes, ProcessLife
from gotrace.elf.dynamic import read_dynamic
from gotrace.elf.interpreter import read_interpreter
from gotrace.events.linkflags import asks_for_static
from gotrace.events.tools import Role

_MAJOR_VERSION = re.compile(r"v[0-9]+")
_MOST = 8
_CLOCK_SLACK = 1.0
"""Seconds: file systems and network disks have clocks of their own."""


def program_facts(processes: Processes, builds: list[GoBuild]) -> Iterator[Found]:
    """A `program` fact for each file that `go build` or `go install` linked with -static, or with a CC for musl."""
    asked = [image for image in processes.images(Role.LINK) if asks_for_static(image.argv) or _by_musl(image)][:_MOST]
    for image in asked:
        build = next((one for one in builds if one.image.process in _above(image.process)), None)
        if image.process.failed or build is None or build.failed:
            continue
        package = (image.exec.env or {}).get("TOOLEXEC_IMPORTPATH", "")
        path = _written(build, image, package)
        # The file is a result of the user's build: it may be anything by now, and it may be gone.
        with suppress(OSError):
            if path is not None and path.is_file() and _is_newer(path, image):
                data = {"package": package, "interpreter": read_interpreter(path), "needed": _needed(path)}
                pids = {"pid": build.pid, "link": image.process.pid}
                yield Found("program", recorded(str(path)), {**data, **pids}, build.pid)


def _by_musl(image: Image) -> bool:
    """It may be a mixture of two C libraries: on a machine with glibc, musl's compiler is told to use what is there."""
    return "musl" in (image.exec.env or {}).get("CC", "")


def _is_newer(path: Path, image: Image) -> bool:
    """Written since the linker began: of several packages go keeps nothing, and an older file may lie there."""
    seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - image.exec.ts_ns / 1e9
    return time.time() - path.stat().st_mtime <= seconds + _CLOCK_SLACK


def _above(life: ProcessLife) -> Iterator[ProcessLife]:
    above = life.parent
    while above is not None:
        yield above
        above = above.parent


def _written(build: GoBuild, image: Image, package: str) -> Path | None:
    """Where go puts the program (`go help build`, -o; `go help install`, GOBIN)."""
    name = _name(build, package)
    if build.command.subcommand == "build":
        output = build.command.value("o")
        path = Path(build.folder, real(output) if output else name)
        return path / name if path.is_dir() else path
    env = {**build.env, **(image.exec.env or {})}
    if build.command.subcommand != "install" or not (env.get("GOBIN") or env.get("GOPATH")):
        return None
    return Path(env["GOBIN"] if env.get("GOBIN") else Path(env["GOPATH"].split(":")[0], "bin"), name)


def _name(build: GoBuild, package: str) -> str:
    """cmd/go/internal/load, DefaultExecName: the last element of the import path that is no major version."""
    if package == "command-line-arguments":
        return Path(real(build.command.patterns[0])).stem if build.command.patterns else package
    words = package.split("/")
    if len(words) > 1 and _MAJOR_VERSION.fullmatch(words[-1]):
        words.pop()
    return words[-1]


def _needed(path: Path) -> list[str]:
    dynamic = read_dynamic(path)
    return [] if dynamic is None else list(dynamic.needed)
