"""The trace: processes, the tool runs (spans) in them, and the Go builds they belong to.

Built by `gotrace.trace.builder.build`; everything here tolerates gaps: what is not known is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gotrace.events.facets import Facet
from gotrace.events.model import (
    ClockReads,
    Dlerror,
    Dlopen,
    Dlsym,
    Exec,
    Exit,
    Fact,
    Library,
    Lost,
    Output,
    Signal,
    SyscallError,
)
from gotrace.events.recording import Header
from gotrace.events.tools import Role
from gotrace.trace.factindex import FactIndex

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True, repr=False)
class Process:
    """One life of a pid: a reused pid is another Process."""

    pid: int
    start_ns: int
    parent: Process | None = None
    end_ns: int | None = None
    exit: Exit | None = None
    """None while it ran when the capture ended, or when its exit was lost."""
    children: list[Process] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    """The images it ran, in order; empty for a fork that never exec'd."""
    errors: list[SyscallError] = field(default_factory=list)
    """Its failing system calls, in order, over all its images."""
    failed_execs: list[Exec] = field(default_factory=list)
    output: list[Output] = field(default_factory=list)


@dataclass(eq=False, slots=True, repr=False)
class Compiler:
    """A C compiler as a span used it."""

    path: str
    """As it was executed (absolute where known)."""
    resolved: str | None = None
    """The compiler proper, after symlinks and wrappers (ccache, python -m ziglang)."""
    wrapper: tuple[str, ...] = ()
    """The words in front of the compiler proper: ("ccache",), ("python3", "-m", "ziglang")."""
    target: str | None = None
    """Target triple, as the compiler itself says (`-dumpmachine`) or as its cc1/collect2 path shows."""
    version: str | None = None
    family: str | None = None
    """gcc, clang or zig."""


@dataclass(eq=False, slots=True, repr=False)
class Span:
    """One image that a process ran: from its exec to its next exec or its exit."""

    process: Process
    exec: Exec
    role: Role
    start_ns: int
    end_ns: int | None = None
    exit: Exit | None = None
    """The process's exit if this was its last image."""
    package: str | None = None
    """Go import path this tool run belongs to."""
    parent: Span | None = None
    children: list[Span] = field(default_factory=list)
    errors: list[SyscallError] = field(default_factory=list)
    failed_execs: list[Exec] = field(default_factory=list)
    output: list[Output] = field(default_factory=list)
    libraries: list[Library] = field(default_factory=list)
    """Code that was mapped, in order; a fork that never exec'd counts as the image that it is a copy of."""
    linking: list[Dlopen | Dlsym | Dlerror] = field(default_factory=list)
    """What it asked of the loader at run time, all threads together, in order of the answers."""
    signals: list[Signal] = field(default_factory=list)
    clock_reads: list[ClockReads] = field(default_factory=list)
    """Where it read the clock by system calls, and how often."""
    compiler: Compiler | None = None
    """For role CC and, taken over from its driver, CC1, AS, COLLECT2 and LD."""
    build: Build | None = None
    probe: bool = False
    """It only asks (versions, supported flags, cgo's kinds of names): its failure is no failure of the build."""
    _by_file: tuple[int, dict[str, list[SyscallError]]] = (-1, {})
    """Its failing calls by the file they name, and of how many this was made."""
    _failed_below: frozenset[Role] | None = None

    @property
    def program(self) -> str:
        """The name of the program, without its folder."""
        return self.exec.path.rpartition("/")[2]

    @property
    def argv(self) -> tuple[str, ...]:
        """Its argument vector; empty where it is unknown."""
        return self.exec.argv or ()

    @property
    def failed(self) -> bool:
        """It ended, and not with status 0. An unknown end is no failure."""
        return self.exit is not None and (self.exit.status or 0) + (self.exit.signal or 0) != 0

    @property
    def compiled(self) -> bool:
        """Go's compiler made a package of it: it was asked to, and ended with status 0."""
        return self.role is Role.COMPILE and not self.probe and self.exit is not None and not self.failed

    def failing(self, file: str) -> list[SyscallError]:
        """Its failing calls whose first path ends in this name, in order. One run may have a hundred thousand."""
        count, by_file = self._by_file
        if count != len(self.errors):
            by_file = {}
            for call in self.errors:
                if call.paths:
                    by_file.setdefault(call.paths[0].rpartition("/")[2], []).append(call)
            self._by_file = len(self.errors), by_file
        return by_file.get(file, [])

    @property
    def stderr(self) -> str:
        """What it wrote to its stderr, as far as it was kept."""
        return "".join(part.text for part in self.output)

    def descendants(self) -> Iterator[Span]:
        """All spans below this one, depth first, in order of their start."""
        # Not recursive: a program that execs itself over and over makes a chain of any depth.
        below = list(reversed(self.children))
        while below:
            span = below.pop()
            yield span
            below.extend(reversed(span.children))

    def failed_below(self) -> frozenset[Role]:
        """The roles of the spans below this one that failed, as they are when it is first asked.

        Kept: of a script in which thousands of programs fail, each of them leads to the same question about the script.
        """
        if self._failed_below is None:
            self._failed_below = frozenset(span.role for span in self.descendants() if span.failed)
        return self._failed_below

    def ancestors(self) -> Iterator[Span]:
        """The spans above this one, nearest first."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


@dataclass(eq=False, slots=True, repr=False)
class BuildTarget:
    """For what a go command builds, as it really saw it (its children's environment, then `go env`)."""

    goos: str | None = None
    goarch: str | None = None
    cgo_enabled: bool | None = None
    cc: str | None = None
    cxx: str | None = None
    host_os: str | None = None
    host_arch: str | None = None
    explicit: frozenset[str] = frozenset()
    """Names of variables that the user set: in the go command's own environment or with `go env -w`."""

    @property
    def cross(self) -> bool:
        """Built for another system or another architecture than the one it runs on, as far as both are known."""
        pairs = ((self.goos, self.host_os), (self.goarch, self.host_arch))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)


@dataclass(eq=False, slots=True, repr=False)
class Build:
    """One go command that builds: go build, install, test, run, vet, list -export ..."""

    span: Span
    subcommand: str
    flags: tuple[str, ...]
    """Build flags as given, each with its value: ("-tags", "netgo")."""
    patterns: tuple[str, ...]
    """Packages as given; empty means the current folder."""
    target: BuildTarget
    env: Mapping[str, str] = field(default_factory=dict)
    """Allow-listed environment of the go command itself, without a GOCACHE that gotrace gave it."""
    spans: list[Span] = field(default_factory=list)
    """All runs under it, in order; those under a go command below it are that command's."""

    @property
    def failed(self) -> bool:
        """The go command ended, and not with status 0."""
        return self.span.failed


@dataclass(eq=False, slots=True, repr=False)
class Trace:
    """Everything one recording says, put together."""

    header: Header
    processes: list[Process] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    """All spans by start."""
    builds: list[Build] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    root: Process | None = None
    """The command itself."""
    events: int = 0
    """How many events the recording holds."""
    damage: str | None = None
    """What is wrong with the recording itself (cut off, unreadable lines), or None."""
    _index: FactIndex = field(default_factory=FactIndex)
    derived: dict[str, Any] = field(default_factory=dict)
    """What was worked out of the trace once (see `once`); whoever changes a trace clears it."""

    @property
    def observes(self) -> frozenset[Facet]:
        """What the capture could see at all."""
        known = {facet.value for facet in Facet}
        return frozenset(Facet(name) for name in self.header.observes if name in known)

    def once(self, name: str, work_out: Callable[[], Answer]) -> Answer:
        """The answer to a question about the whole trace that many ask; `name` is the question."""
        if name not in self.derived:
            self.derived[name] = work_out()
        answer: Answer = self.derived[name]
        return answer

    def facts_of(self, name: str) -> Iterator[Fact]:
        """The facts of one sort, in order."""
        return iter(self._index.of(self.facts, name))

    def facts_for(self, name: str, pid: int) -> Iterator[Fact]:
        """The facts of one sort that stand for this process, or for none in particular; in order."""
        return iter(self._index.of(self.facts, name, pid))

    def fact(self, name: str, subject: str | None = None) -> Mapping[str, Any] | None:
        """Data of the first fact of a sort (about `subject`, if given), or None."""
        for fact in self.facts_of(name):
            if subject is None or fact.subject == subject:
                return fact.data
        return None
