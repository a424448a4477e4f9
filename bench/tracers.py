"""What is set side by side in the part about ptrace, and what is built under it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.workloads import BARE, GOTRACE, Bench
from gotrace.sources.ptrace.calls import Kind, observed

PTRACE = "gotrace --backend ptrace"
PTRACE_PYTHON = "gotrace --backend ptrace, loop in Python"
EBPF = "gotrace --backend ebpf"
STRACE = "strace, same calls"
STRACE_NO_WRITES = "strace, same calls but writes"

Command = Sequence[str]


@dataclass(frozen=True)
class Tracer:
    """One way to run a command."""

    line: Callable[[Command], list[str]]
    """The command line for it."""
    env: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    """gotrace's source; None: it is not gotrace."""


def strace_calls(*, writes: bool) -> str:
    """What `strace -e` gets: the names of all calls that stop under gotrace, "?" for those that it does not know."""
    names = dict.fromkeys(call.name for call in observed() if writes or call.kind is not Kind.WRITE)
    return "trace=" + ",".join(f"?{name}" for name in names)


def tracers(bench: Bench) -> dict[str, Tracer]:
    """By name; the first is the base of all ratios, and bear is there only if it is installed."""
    if shutil.which("strace") is None:
        raise SystemExit("bench: strace is missing: apt-get install strace")
    found = {
        BARE: Tracer(lambda command: [*command]),
        PTRACE: _gotrace(bench, "ptrace"),
        PTRACE_PYTHON: replace(_gotrace(bench, "ptrace"), env={"GOTRACE_PTRACE_LOOP": "python"}),
        STRACE: Tracer(_strace(strace_calls(writes=True))),
        STRACE_NO_WRITES: Tracer(_strace(strace_calls(writes=False))),
        EBPF: _gotrace(bench, "ebpf"),
    }
    if shutil.which("bear"):
        found["bear"] = Tracer(lambda command: ["bear", "--output", str(bench.scratch / "bear.json"), "--", *command])
    return found


def only(found: Mapping[str, Tracer], names: Iterable[str]) -> dict[str, Tracer]:
    """Those of these names."""
    return {name: found[name] for name in names}


def _gotrace(bench: Bench, backend: str) -> Tracer:
    options = ["-q", "--backend", backend, "-o", str(bench.recording), "--"]
    return Tracer(lambda command: [GOTRACE, "build", *options, *command], source=backend)


def _strace(calls: str) -> Callable[[Command], list[str]]:
    return lambda command: ["strace", "-f", "--seccomp-bpf", "-e", calls, "-o", "/dev/null", *command]


@dataclass(frozen=True)
class Task:
    """One build. It is prepared before it is measured."""

    title: str
    prepare: Callable[[Bench, int], dict[str, str]]
    """Make the `serial`-th one, and no other, do the work again; returns variables for it."""
    command: tuple[str, ...]


def _empty_cache(bench: Bench, _: int) -> dict[str, str]:
    cache = bench.scratch / "cold-cache"
    shutil.rmtree(cache, ignore_errors=True)
    return {"GOCACHE": str(cache)}


def _other_source(bench: Bench, serial: int) -> dict[str, str]:
    (bench.program / "serial.go").write_text(f'package main\n\nvar serial = "{serial}"\n')
    return {}


FULL = Task("`go build -a` with an empty cache", _empty_cache, ("go", "build", "-a", "-o", "out", "."))
RELINK = Task("relink: only the main package is compiled again", _other_source, ("go", "build", "-o", "out", "."))
