"""Small phrases that all text reports share: commands, ends of processes, times and numbers."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable

from gotrace.events.model import Exit
from gotrace.events.signals import SIGNALS
from gotrace.events.text import to_bytes
from gotrace.events.tools import Role
from gotrace.reports.escape import safe_line
from gotrace.rules.finding import Source
from gotrace.trace.model import Span

GROUPS = {"go": "Go", "c": "C", "link": "link"}
"""The groups of `Summary.group_seconds`, as a reader knows them."""

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*=)(.*)", re.DOTALL)


def counted(number: int, noun: str) -> str:
    """ "1 package", "12 packages", "2 processes"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch')) else 's'}"


def seconds(value: float) -> str:
    """Seconds with one decimal, with two below a second, as in "8.2 s" and "0.04 s"."""
    return f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def pasteable(command: Iterable[str]) -> str:
    """A command line for a shell. Leading NAME=value words stay assignments: `CC='zig cc' go build`."""
    words: list[str] = []
    leading = True
    for word in command:
        assignment = _ASSIGNMENT.fullmatch(word) if leading else None
        leading = assignment is not None or word == "env"
        words.append(assignment[1] + _quoted(assignment[2]) if assignment else _quoted(word))
    return " ".join(words)


def _quoted(word: str) -> str:
    """`word` for a shell; one with control characters or undecodable bytes in the $'...' notation of bash and zsh."""
    raw = to_bytes(word)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    if text and safe_line(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(_ansi_c(byte) for byte in raw) + "'" if raw else "''"


def _ansi_c(byte: int) -> str:
    if byte in b"'\\":
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"


def shortened(argv: Iterable[str], limit: int) -> str:
    """A command line of at most `limit` characters."""
    return cut(pasteable(argv), limit)


def cut(line: str, limit: int) -> str:
    """At most `limit` characters: of a longer line both ends survive (a command ends in file names, a call in =)."""
    if len(line) <= limit:
        return line
    head = max(limit * 2 // 3, 1)
    tail = max(limit - head - 3, 1)
    return f"{line[:head].rstrip()} … {line[-tail:].lstrip()}"


def end_of(status: int | None, killed_by: int | None) -> str:
    """How a process ended: "exit status 1", "killed by SIGSEGV", or that its end was not seen."""
    if killed_by is not None:
        return f"killed by {signal_name(killed_by)}"
    if status is not None:
        return f"exit status {status}"
    return "end not seen"


def end_of_span(span: Span) -> str:
    """How a tool run ended; another image may have taken its process over."""
    if span.exit is None:
        return end_of(None, None)
    return end_of(span.exit.status, span.exit.signal) + (", core dumped" if _dumped(span.exit) else "")


def place_of(source: Source, folder: str) -> str:
    """FILE:LINE:COLUMN as the go tool says it: the file as seen from the command's folder, where that is shorter."""
    path = source.file
    if folder and path.startswith("/"):
        near = posixpath.relpath(path, folder)
        path = f"./{near}" if "/" not in near else min(near, path, key=len)
    return f"{path}:{source.line}:{source.column}"


def signal_name(number: int) -> str:
    """ "SIGSEGV" for 11; "signal 40" where it has no name."""
    return SIGNALS.get(number, f"signal {number}")


def program_of(span: Span) -> str:
    """The tool's name as a reader knows it: the last part of its path."""
    return safe_line((span.argv[0] if span.argv and span.argv[0] else span.exec.path).rsplit("/", 1)[-1])


def named(span: Span) -> str:
    """The tool's name, with its role where the name does not say it: "gcc", but "my-wrapper.sh (cc)"."""
    name, role = program_of(span), span.role.value
    return name if role in name or span.role is Role.OTHER else f"{name} ({role})"


def _dumped(end: Exit) -> bool:
    return end.signal is not None and end.core
