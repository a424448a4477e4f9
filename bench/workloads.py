"""What is built, and under which tracers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOTRACE = str(Path(sys.executable).parent / "gotrace")
BARE = "bare command"
TRACED = "gotrace build"


@dataclass(frozen=True)
class Bench:
    """One measurement's own corner: a copy of the program to build, a build cache, room for outputs."""

    scratch: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Path:
        """Folder of the cgo program that is built."""
        return self.scratch / "cgo-hello"

    @property
    def recording(self) -> Path:
        """Where gotrace saves its recording."""
        return self.scratch / "out.gotrace"

    @property
    def log(self) -> Path:
        """What the measured command printed."""
        return self.scratch / "log"


def prepare(scratch: Path) -> Bench:
    """A bench in an empty folder. The environment is the caller's, but for what decides Go builds."""
    shutil.copytree(ROOT / "examples/cgo-hello", scratch / "cgo-hello")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GO", "CGO_", "CC", "CXX"))}
    # Without a `go` on PATH the one that set-up put beside gotrace is taken.
    env["PATH"] += os.pathsep + str(Path(sys.executable).parent)
    env |= {"GOCACHE": str(scratch / "cache"), "GOENV": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off"}
    return Bench(scratch, env)


def full_build(_: int) -> list[str]:
    """Everything compiled again: the standard library and the program, C parts included."""
    return ["go", "build", "-a", "-o", "out", "."]


def relink(number: int) -> list[str]:
    """Only a link, through gcc; the stamp makes each one new to the build cache."""
    return ["go", "build", f"-ldflags=-X=main.stamp={number}", "-o", "out", "."]


WORKLOADS: dict[str, Callable[[int], list[str]]] = {"go build -a": full_build, "relink": relink}


def variants(bench: Bench) -> dict[str, Callable[[Sequence[str]], list[str]]]:
    """Name to what makes the traced command line. The first is the base of all ratios."""
    calls = "execve,openat,newfstatat,access,readlinkat"
    found: dict[str, Callable[[Sequence[str]], list[str]]] = {
        BARE: lambda command: [*command],
        TRACED: lambda command: [GOTRACE, "build", "-q", "-o", str(bench.recording), "--", *command],
    }
    if shutil.which("strace"):
        quiet = ["-o", "/dev/null"]
        found["strace --seccomp-bpf"] = lambda command: [
            *("strace", "-f", "--seccomp-bpf", "-e", f"trace={calls}", *quiet),
            *command,
        ]
        found["strace -Z"] = lambda command: ["strace", "-f", "-Z", *quiet, *command]
    if shutil.which("bear"):
        found["bear"] = lambda command: ["bear", "--output", str(bench.scratch / "bear.json"), "--", *command]
    return found
