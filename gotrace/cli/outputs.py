"""Where reports and recordings go. They are opened as the invoking user, so that root's power writes nobody's files."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from gotrace.cli import streams
from gotrace.cli.failures import explain_failure
from gotrace.errors import GotraceError, UsageError
from gotrace.events.replacement import Replacement

if TYPE_CHECKING:
    from gotrace.capture.privileges import Invoker
    from gotrace.events.model import KnownEvent
    from gotrace.events.recording import Header
    from gotrace.rules.finding import Diagnosis
    from gotrace.trace.model import Trace


class Format(StrEnum):
    """How a report can be told."""

    TERMINAL = "terminal"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Destination:
    """One report to write: its format and its path, "-" for stdout."""

    form: Format
    path: str

    @classmethod
    def parse(cls, text: str) -> Destination:
        """From FORMAT:PATH.

        Raises:
            UsageError: the format is unknown, or the path is missing.
        """
        form, colon, path = text.partition(":")
        known = " and ".join(Format)
        if not colon or not path:
            raise UsageError(f"--report {text}: not of the form FORMAT:PATH", f"known formats are {known}")
        if form not in set(Format):
            raise UsageError(f"--report {text}: the format {form!r} is unknown", f"known ones are {known}")
        return cls(Format(form), path)

    def check(self) -> None:
        """Refuse a path that cannot be written.

        Raises:
            UsageError: its folder is missing or not writable, or it is a folder.
        """
        if self.path != "-":
            check_writable(Path(self.path))

    def write(self, trace: Trace, diagnosis: Diagnosis, *, colour: bool | None = None, timings: bool = False) -> None:
        """Render and write it; `colour` None lets the stream decide, `timings` adds those of the rules to JSON.

        Raises:
            ReaderGoneError: it goes to stdout, and nobody reads that any more.
            GotraceError: it cannot be written.
        """
        stream = sys.stdout if self.path == "-" else None
        text = render(self.form, trace, diagnosis, stream, colour=colour, timings=timings)
        try:
            if self.path == "-":
                streams.to_stdout(text)
            else:
                Path(self.path).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            name = "stdout" if self.path == "-" else self.path
            raise GotraceError(f"cannot write {name}: {os.strerror(error.errno or 0)}", "write it elsewhere") from None


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a watching command writes beside the report on the terminal: the recording, and more reports."""

    recording: Path | None
    reports: tuple[Destination, ...]
    failed: int
    """The exit code where one of them cannot be written."""

    @classmethod
    def asked(cls, recording: Path | None, reports: Sequence[str] | None, *, failed: int) -> Outputs:
        """As -o and each --report say it.

        Raises:
            UsageError: one of the reports is not of the form FORMAT:PATH.
        """
        return cls(recording, tuple(map(Destination.parse, reports or ())), failed)

    def check(self) -> None:
        """Refuse, before anything has run, what could not be written afterwards.

        Raises:
            RecordingError: the recording could not be written.
            UsageError: a report could not, the recording is to go to stdout, or two of them to one file.
        """
        if self.recording == Path("-"):
            raise UsageError(
                "-o -: a recording goes to a file, not to stdout",
                "name one: -o build.gotrace; --report json:- writes a report to stdout",
            )
        self._check_apart()
        if self.recording is not None:
            _try(self.recording)
        for report in self.reports:
            report.check()

    def _check_apart(self) -> None:
        given = [] if self.recording is None else [("-o", self.recording)]
        given += [(f"--report {report.form}", Path(report.path)) for report in self.reports if report.path != "-"]
        for (option, path), (other, later) in combinations(given, 2):
            if same_file(path, later):
                message = f"{option} and {other} name the same file: {later}"
                raise UsageError(message, "the later would overwrite the earlier: name two files")

    def save(self, header: Header, events: Sequence[KnownEvent]) -> int:
        """Write the recording, if one is wanted. That it cannot be written is told; 0, or the exit code."""
        from gotrace.events.recording import write_recording

        if self.recording is None:
            return 0
        return self._attempt(partial(write_recording, self.recording, header, events))

    def write_reports(self, trace: Trace, diagnosis: Diagnosis, *, colour: bool | None, timings: bool) -> int:
        """Write all of them. One that cannot be written is told, and the others follow; 0, or the exit code."""
        write = partial(Destination.write, trace=trace, diagnosis=diagnosis, colour=colour, timings=timings)
        return max([self._attempt(partial(write, report)) for report in self.reports], default=0)

    def _attempt(self, write: Callable[[], None]) -> int:
        """0, or the exit code of a failure that was told. A reader who has seen enough is none."""
        try:
            write()
        except streams.ReaderGoneError:
            return 0
        except Exception as error:
            streams.to_stderr(explain_failure(error))
            return self.failed
        return 0


@contextlib.contextmanager
def acting_as(who: Invoker | None) -> Iterator[None]:
    """Look at files with the rights of `who`, and as ourselves again afterwards; None is ourselves."""
    if who is None or os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    os.initgroups(who.name, who.gid)
    os.setegid(who.gid)
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


class _OnlyTriedError(Exception):
    """Leaves the file that would be replaced as it is."""


def _try(path: Path) -> None:
    """Begin to write a recording, and leave it at that.

    Raises:
        RecordingError: it cannot be written there.
    """
    with contextlib.suppress(_OnlyTriedError), Replacement(path):
        raise _OnlyTriedError


def check_writable(path: Path) -> None:
    """See whether a file can be written there, without touching it.

    Raises:
        UsageError: its folder is missing or not writable, or it is a folder.
    """
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{path}: is a folder", "name a file in it")
    if not folder.is_dir():
        raise UsageError(f"{path}: there is no folder {folder}", f"mkdir -p {shlex.quote(str(folder))}")
    if not os.access(path if path.exists() else folder, os.W_OK, effective_ids=True):
        raise UsageError(f"{path}: not writable", "name another file, or allow writing there")


def same_file(one: Path, other: Path) -> bool:
    """Whether writing the one replaces the other. Of a device, as /dev/null is, nothing is replaced."""
    try:
        return one.samefile(other) and one.is_file()
    except OSError:  # one of them is not there yet, or cannot be looked at
        return os.path.realpath(one) == os.path.realpath(other)


def render(
    form: Format,
    trace: Trace,
    diagnosis: Diagnosis,
    stream: TextIO | None,
    *,
    colour: bool | None = None,
    quiet: bool = False,
    timings: bool = False,
) -> str:
    """The report as it suits a stream; no stream: a file, which has no colours. `colour` None: as it likes."""
    if form is Format.JSON:
        from gotrace.reports.json_report import JsonReport

        return JsonReport(timings=timings).render(trace, diagnosis)
    from gotrace.reports.page import colour_wanted, width_of
    from gotrace.reports.terminal import TerminalReport

    coloured = colour if colour is not None else stream is not None and colour_wanted(stream)
    return TerminalReport(width=width_of(stream), colour=coloured, quiet=quiet).render(trace, diagnosis)
