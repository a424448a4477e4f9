"""Headers that a C compiler looked for everywhere and did not find."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.events.tools import Role
from gotrace.rules import evidence, steps
from gotrace.trace.model import Span, Trace

_OPENING = frozenset({"open", "openat", "openat2", "newfstatat", "stat", "stat64", "fstatat64", "statx", "access"})

_BLAMED = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?:(?P<column>\d+):)? .*?"
    r"(?:[:：]\s*(?P<bare>[^\s:：'\"<>][^:：'\"<>]*?)\s*[:：]\s*\S|'(?P<quoted>[^']+)')"
)
"""gcc: `a.go:3:11: fatal error: foo/foo.h: No such ...` in any language; clang: `fatal error: 'foo/foo.h' file ...`."""

_LAST_SEARCHED = re.compile(r"(^|/)usr/(?:[\w.-]+/)?include/?$")
"""Where every search on a usual system ends: /usr/include, or the include folder of a cross compiler's root."""


@dataclass(frozen=True, slots=True)
class MissingHeader:
    """One header that broke a compile."""

    name: str
    """As it stands in the #include."""
    compiler: Span
    """The cc1 or clang that gave up."""
    calls: tuple[SyscallError, ...]
    words: evidence.Words | None
    quoted: bool | None = None
    """It stands in quotes, so it may be the project's own; None where the compiler did not show the line."""

    @property
    def included_at(self) -> str | None:
        """FILE:LINE of the #include, as the compiler says it."""
        return f"{self.words.found['file']}:{self.words.found['line']}" if self.words is not None else None

    @property
    def folders(self) -> list[str]:
        """Where it was looked for, in order."""
        return list(dict.fromkeys(call.paths[0].removesuffix(self.name).rstrip("/") or "/" for call in self.calls))


def missing_headers(trace: Trace) -> list[MissingHeader]:
    """The header that each broken compile gave up at: a missing one is fatal, so there is one at most."""
    return trace.once("missing_headers", lambda: list(_missing_headers(trace)))


def _missing_headers(trace: Trace) -> Iterator[MissingHeader]:
    texts = Facet.STDERR_TEXT in trace.observes
    blamed: dict[Span, list[evidence.Words]] = {}
    for span in steps.broken(trace, Role.CC1, Role.CC):
        if span.role is Role.CC and any(child.role is Role.CC1 for child in span.descendants()):
            continue
        missing = _confirmed(span, blamed) or (None if texts and _speaks(span) else _by_calls_alone(span))
        if missing is not None:
            yield missing


def _confirmed(span: Span, blamed: dict[Span, list[evidence.Words]]) -> MissingHeader | None:
    """The header that failing calls and the compiler's own message name alike.

    `blamed` keeps what each tool said of headers: all compilers below a go command ask for that one's words.
    """
    failing: dict[str, list[SyscallError]] = {}
    for call in span.errors:
        if _opens(call, ""):
            failing.setdefault(posixpath.basename(call.paths[0]), []).append(call)
    if not failing:
        return None
    for speaker in (span, *span.ancestors()):
        text = speaker.stderr
        named = any(name in text for name in failing)
        if named and speaker not in blamed:
            blamed[speaker] = list(evidence.all_said([speaker], _BLAMED))
        for words in blamed[speaker] if named else ():
            name = words.found["bare"] or words.found["quoted"]
            calls = tuple(call for call in failing.get(posixpath.basename(name), ()) if _opens(call, name))
            if calls:
                return MissingHeader(name, span, calls, words, _is_quoted(speaker, words, name))
        if speaker is not span and speaker.role not in (Role.CC, Role.CC1, Role.CGO):
            return None
    return None


def _is_quoted(speaker: Span, words: evidence.Words, name: str) -> bool | None:
    """How the line looks that gcc and clang show below their message: `    3 | // #include "x.h"`."""
    _, _, after = speaker.stderr.partition(words.line)
    found = re.search(rf'#\s*(?:include(?:_next)?|import)\s*(["<]){re.escape(name)}', after)
    return None if found is None else found[1] == '"'


def _by_calls_alone(span: Span) -> MissingHeader | None:
    """Without the compiler's words: the last name that failed in several folders, the last of all among them.

    A header that is found leaves failing calls too, but never one in the folder it was found in.
    """
    failing = [call for call in span.errors if _opens(call, "") and _is_header(call.paths[0])]
    if not failing:
        return None
    parts = failing[-1].paths[0].split("/")
    for length in range(1, len(parts)):
        name = "/".join(parts[-length:])
        folder = failing[-1].paths[0].removesuffix(name)
        if not _LAST_SEARCHED.search(folder):
            continue
        calls = tuple(call for call in failing if call.paths[0].endswith(f"/{name}"))
        if len({call.paths[0] for call in calls}) > 1:
            return MissingHeader(name, span, calls, None)
    return None


def _opens(call: SyscallError, name: str) -> bool:
    if call.syscall not in _OPENING or not call.paths or errno_name(call.errno) not in {"ENOENT", "ENOTDIR"}:
        return False
    path = call.paths[0]
    return path == name or path.endswith(f"/{name}") if name else True


def _is_header(path: str) -> bool:
    return posixpath.splitext(path)[1] in {".h", ".hh", ".hpp", ".hxx", ".inc"}


def _speaks(span: Span) -> bool:
    """Its stderr was recorded, so that a message about a header would be known."""
    return any(part.text.strip() for speaker in (span, *span.ancestors()) for part in speaker.output)
