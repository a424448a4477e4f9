"""Programs that failed after they had asked the system for files that it does not have, and what to do about that."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Fact, SyscallError
from gotrace.events.signals import SIGNALS
from gotrace.events.tools import is_tool
from gotrace.rules import evidence, fixes, rebuild, steps
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Fix
from gotrace.trace.model import Span, Trace

CERTAIN: Final = 1.0
LIKELY: Final = 0.7
"""The program missed the files and failed, and said nothing of it that was kept."""
_MISSING: Final = errno_numbers("ENOENT")
_DATA: Final = "data/system_packages.toml"
_INTERRUPTIONS: Final = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"})


@dataclass(frozen=True, slots=True)
class Seeker:
    """A run of a program that failed."""

    span: Span
    parts: frozenset[str] | None
    """Of Go's standard library, as `gotrace.elf.golinked` names them; None: no program of Go, or nobody looked."""
    system: Fact | None
    """Which files of the system are there where it ran, if anybody looked."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.span.exec.path.rpartition("/")[2]

    @property
    def elsewhere(self) -> bool:
        """It ran below another root than gotrace: in a container, a chroot."""
        return bool(self.span.exec.root or self.span.exec.mount_namespace)

    @property
    def root(self) -> str:
        """Its root folder, where gotrace's own machine has one of that name: not in a container; else empty."""
        return "" if self.span.exec.mount_namespace else self.span.exec.root

    @property
    def where(self) -> str:
        """Whose files it has, for the end of a sentence: "this system", or another root folder."""
        if self.root:
            return f"{self.root}, its root folder"
        return "the root folder that it runs in (a container or a chroot)" if self.elsewhere else "this system"

    @property
    def key(self) -> str:
        """What a finding that accounts for its failure has among its `explains`."""
        return steps.span_key(self.span)

    def known(self, what: str) -> Any:
        """One field of the fact `system_files`; None where nobody looked."""
        return None if self.system is None else self.system.data.get(what)

    def missed(self, path: str) -> SyscallError | None:
        """The first call in which this path turned out not to be there."""
        return next(iter(self.lacks([path])), None)

    def lacks(self, paths: Iterable[str]) -> list[SyscallError]:
        """The calls in which these paths were looked for in vain; none unless all of them were."""
        wanted = dict.fromkeys(paths)
        calls: dict[str, SyscallError] = {}
        for call in self.span.errors:  # which may be a hundred thousand
            if call.errno in _MISSING and call.paths and (path := normal(call.paths[0])) in wanted:
                calls.setdefault(path, call)
        return list(calls.values()) if len(calls) == len(wanted) else []

    def blames(self, pattern: re.Pattern[str]) -> tuple[float, Words | None]:
        """How sure it is that it failed by what it missed, 0 for not at all, and what it said about that.

        A program that named another reason has that reason; one that was interrupted failed by nothing.
        """
        words = evidence.said(self.span, pattern)
        if words is not None:
            return CERTAIN, words
        end = self.span.exit
        killed = end is not None and end.signal is not None
        return (0.0, None) if killed or self.span.output or self.span.signals else (LIKELY, None)


def seekers(trace: Trace) -> list[Seeker]:
    """The programs whose run failed, where programs were run and not built."""
    if not trace.header.running:
        return []
    return trace.once("seekers", lambda: [_seeker(trace, span) for span in trace.spans if _matters(span)])


def interrupted(seeker: Seeker) -> bool:
    """Somebody ended it: a service has no other end."""
    end = seeker.span.exit
    return end is not None and SIGNALS.get(end.signal or 0) in _INTERRUPTIONS


def package(what: str) -> str | None:
    """Debian's package for one sort of files: "certificates", "time zones"; None for one that is not known."""
    found: str | None = _data()["packages"].get(what)
    return found


def module_package(source: str) -> str | None:
    """Debian's package for a source in nsswitch.conf."""
    found: str | None = _data()["modules"].get(source)
    return found


def install(trace: Trace, seeker: Seeker, names: Iterable[str | None], why: str) -> list[Fix]:
    """A fix that installs packages, where the program ran on this machine's own files and apt is there."""
    known = [name for name in names if name]
    fix = None if seeker.elsewhere else fixes.install(trace, known, why)
    return [] if fix is None else [fix]


def copies(seeker: Seeker, paths: Iterable[str], what: str) -> list[Fix]:
    """A fix that gives another root what this machine has: a command for a folder, lines of a Dockerfile else."""
    if not seeker.elsewhere:
        return []
    named = list(paths)
    if seeker.root:
        return [Fix(f"Copy {what} into {seeker.root}.", ("cp", "-a", "--parents", *named, seeker.root))]
    lines = "; ".join(f"COPY --from=build {path} {path}" for path in named)  # of a folder, its content is copied
    return [Fix(f"Copy {what} into the image, in a Dockerfile by: {lines}")]


def again(trace: Trace, settings: Iterable[str], text: str) -> Fix:
    """The same command with other variables of the environment; without it, where that sets its own by options."""
    command = tuple(trace.header.argv)
    if command[:1] == ("env",):
        command = command[1:]
        if command and command[0].startswith("-"):
            return Fix(f"{text.removesuffix('.')}: {' '.join(settings)}.")
    return Fix(text, ("env", *settings, *command))


def rebuilt(trace: Trace, seeker: Seeker, tag: str, text: str) -> Fix:
    """A fix that builds the program once more with a tag, and with those that it was built with."""
    facts = trace.facts_for("binary", seeker.span.process.pid)
    program = next((one for one in facts if one.subject.rpartition("/")[2] == seeker.name and rebuild.go_of(one)), None)
    if program is None:
        return Fix(text, ("go", "build", "-tags", tag, "-o", seeker.name, "."))
    tags, cgo = rebuild.setting(program, "-tags"), rebuild.setting(program, "CGO_ENABLED")
    flags = ("-tags", ",".join([*filter(None, tags.split(",")), tag]))
    return Fix(text, rebuild.again(program, *([f"CGO_ENABLED={cgo}"] if cgo else []), flags=flags))


def _matters(span: Span) -> bool:
    return span.failed and not is_tool(span.role)


def _seeker(trace: Trace, span: Span) -> Seeker:
    pid = span.process.pid
    program = next((fact for fact in trace.facts_for("go_program", pid) if fact.pid == pid), None)
    system = next((fact for fact in trace.facts_for("system_files", pid) if fact.pid == pid), None)
    parts = None if program is None else frozenset(map(str, program.data.get("parts", ())))
    return Seeker(span, parts, system)


def normal(path: str) -> str:
    """A path without the doubled slashes that programs make."""
    return path.replace("//", "/") if "//" in path else path


@cache
def _data() -> dict[str, dict[str, str]]:
    parsed: dict[str, dict[str, str]] = tomllib.loads(files("gotrace.rules").joinpath(_DATA).read_text("utf-8"))
    return parsed
