"""Asks C compilers for whom they compile: target, version, family."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Image, Processes
from gotrace.events.tools import LAUNCHERS, PYTHON, Role

_WORDS_IN_FRONT = 4
"""`python3 -m ziglang cc`: no wrapper has more words in front of the compiler's own arguments."""

_LIBC_VERSION = re.compile(r"(?<=-gnu)(?:\.[0-9]+)+$|(?<=-musl)(?:\.[0-9]+)+$")
_SELECTS = re.compile(r"-target|-mx?32")
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)*")
_IN_PARENTHESES = re.compile(r"\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Driver:
    """A compiler as it was called: what to run to ask it something."""

    path: str
    """As executed, absolute."""
    front: tuple[str, ...]
    """The words up to the compiler's own arguments, the compiler proper last: ("/usr/bin/aarch64-linux-gnu-gcc",),
    ("/usr/bin/python3", "-m", "ziglang", "cc")."""
    wrapper: tuple[str, ...]
    """The words in front of the compiler proper as the caller gave them; ("ccache",) for a symlink to it too."""
    selection: tuple[str, ...]
    """The arguments that select the target: ("-target", "aarch64-linux-musl")."""
    proper: str | None
    """Path of the compiler proper; None where only its wrapper is known."""


def executed_drivers(processes: Processes, env: Mapping[str, str]) -> dict[Driver, Image]:
    """Every distinct compiler that ran, with the first process that was one. `env` is that of the traced command."""
    drivers: dict[Driver, Image] = {}
    seen: set[object] = set()
    for image in processes.images(Role.CC):
        event, front = image.exec, image.argv[:_WORDS_IN_FRONT]
        if front[1:2] == ("clang",):
            continue  # zig runs itself as `zig clang`: the same compiler once more
        selection = tuple(_selection(image.argv[1:]))
        search = (event.env or {}).get("PATH")
        call = (event.path, event.cwd, front, selection, search)
        # A build calls one compiler hundreds of times; a look at the disk for each would be felt.
        if call in seen:
            continue
        seen.add(call)
        path = str(Path(real(event.cwd or "/"), real(event.path)))
        search = real(search) if search else env.get("PATH")
        driver = _driver(path, [real(word) for word in front], tuple(map(real, selection)), search)
        if driver.wrapper and (behind := _compiler_behind(image)):
            launched = driver.wrapper[0] in LAUNCHERS
            driver = replace(driver, proper=behind, front=(behind,) if launched else driver.front)
        drivers.setdefault(driver, image)
    return drivers


def driver_of(path: str, argv: Sequence[str], search: str | None) -> Driver:
    """How to ask the compiler that was called as `argv` with the executable `path`; `search` is the PATH it had."""
    return _driver(path, argv[:_WORDS_IN_FRONT], tuple(_selection(argv[1:])), search)


def _driver(path: str, front: Sequence[str], selection: tuple[str, ...], search: str | None) -> Driver:
    name = Path(path).name
    if PYTHON.fullmatch(name) and list(front[1:3]) == ["-m", "ziglang"] and len(front) > 3:
        return Driver(path, (path, *front[1:4]), tuple(front[:3]), selection, None)
    if name == "zig" and len(front) > 1:
        return Driver(path, (path, front[1]), (), selection, path)
    if name in LAUNCHERS and len(front) > 1:
        behind = shutil.which(front[1], path=search)
        return Driver(path, (behind,) if behind else (path, front[1]), (name,), selection, behind)
    launcher = Path(os.path.realpath(path)).name
    if launcher in LAUNCHERS:
        behind = _next_in_path(name, search)
        return Driver(path, (behind or path,), (launcher,), selection, behind)
    return Driver(path, (path,), (), selection, path)


def named_driver(words: Sequence[str], search: str | None) -> Driver | None:
    """The compiler that CC names, already split into words, or None where PATH has none of that name."""
    found = shutil.which(words[0], path=search) if words else None
    # A compiler found in the current folder is one that Go refuses to run (os/exec's ErrDot).
    return driver_of(found, words, search) if found and Path(found).is_absolute() else None


def ask_compiler(asker: Asker, driver: Driver, env: Mapping[str, str], cwd: str, pid: int = 0) -> Found:
    """The `compiler` fact of one driver.

    Raises:
        NoAnswerError: the compiler does not answer.
    """
    # English, so that the version line has the form known below.
    env = {**env, "LC_ALL": "C"}
    with ThreadPoolExecutor(2) as pool:
        version_line = pool.submit(lambda: asker.ask([*driver.front, "--version"], env=env, cwd=cwd))
        target = _ask_target(asker, driver, env, cwd)
        words = version_line.result()
    data = {
        "resolved": recorded(os.path.realpath(driver.proper)) if driver.proper else None,
        "wrapper": [recorded(word) for word in driver.wrapper],
        "arguments": [recorded(word) for word in driver.selection],
        "target": recorded(target),
        "version": _version(words),
        "family": _family(words, driver),
    }
    return Found("compiler", recorded(driver.path), data, pid)


def question(driver: Driver) -> list[str]:
    """The command that asks a driver for its target."""
    return [*driver.front, *driver.selection, "-dumpmachine"]


def _ask_target(asker: Asker, driver: Driver, env: Mapping[str, str], cwd: str) -> str:
    try:
        answer = asker.ask(question(driver), env=env, cwd=cwd)
    except NoAnswerError:
        # A gcc that does not know -m32 because it compiles for another machine can still say for which. zig takes the
        # version of a C library behind the target (-target x86_64-linux-gnu.2.31), but not in this question.
        plain = [_LIBC_VERSION.sub("", word) for word in driver.selection]
        plain = plain if plain != list(driver.selection) else []
        answer = asker.ask([*driver.front, *plain, "-dumpmachine"], env=env, cwd=cwd)
    target = answer.strip()
    if not target or len(target.split()) != 1:
        raise NoAnswerError("-dumpmachine names no target")
    return target


def _selection(arguments: Sequence[str]) -> Iterator[str]:
    # -m64, which Go passes on every 64-bit system, selects nothing where it is known at all.
    if not _SELECTS.search("\0".join(arguments)):
        return  # the usual case; a link has thousands of arguments
    words = iter(arguments)
    for word in words:
        if word in ("-target", "--target"):
            yield word
            yield next(words, "")
        elif word.startswith("--target=") or word in ("-m32", "-mx32"):
            yield word


def _next_in_path(name: str, search: str | None) -> str | None:
    """The first executable `name` in PATH that is no symlink to a launcher: the one ccache itself would take."""
    for folder in (search or os.defpath).split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found and Path(os.path.realpath(found)).name not in LAUNCHERS:
            return found
    return None


def _compiler_behind(image: Image) -> str | None:
    """The compiler that a wrapper was seen to run: in its own process (python -m ziglang), else in a child (ccache)."""
    own = image.process.images
    after = own[own.index(image) + 1 :]
    for other in (*after, *(first for child in image.process.children for first in child.images[:1])):
        if other.role is Role.CC and Path(other.exec.path).is_absolute():
            return real(other.exec.path)
    return None


def _version(text: str) -> str | None:
    """12.2.0 of "gcc (Debian 12.2.0-14+deb12u1) 12.2.0": what stands in parentheses is the packager's own number."""
    found = _VERSION.search(_IN_PARENTHESES.sub("", text.partition("\n")[0]))
    return found[0] if found else None


def _family(text: str, driver: Driver) -> str | None:
    if Path(driver.front[0]).name == "zig" or "ziglang" in driver.wrapper:
        return "zig"
    if "clang" in text.partition("\n")[0]:
        return "clang"
    return "gcc" if "Free Software Foundation" in text else None
