"""Runs that only ask a question: their failure is an answer, no failure of the build.

The go command asks its tools and the C compiler for versions and flags, the linker tries flags on a trivial program,
and cgo compiles generated code that must fail, to learn from the errors which names are types, functions or constants.
"""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.events.tools import Role
from gotrace.trace.argv import work_folder
from gotrace.trace.model import Span, Trace

_GO_TOOLS = frozenset({Role.COMPILE, Role.ASM, Role.CGO, Role.LINK, Role.PACK, Role.VET, Role.BUILDID})
_C_TOOLS = frozenset({Role.CC, Role.CC1, Role.AS, Role.COLLECT2, Role.LD})
_ANSWERS = frozenset(
    {
        "-###",
        "--version",
        "-dumpmachine",
        "-dumpversion",
        "-dumpfullversion",
        "-Wl,--version",
    }
)
_VERSION_OPTIONS = (("-v",), ("-V",), ("-version",), ("-qversion",))
"""Alone, as configure scripts ask compilers of all kinds for their version (autoconf's AC_PROG_CC)."""
_NO_COLOR = "-fdiagnostics-color=never"


def mark(trace: Trace) -> None:
    """Set `probe` of every span that only asks; what such a run starts is part of the question."""
    compiled_at = {
        folder: span.start_ns
        for span in trace.spans
        if span.role is Role.COMPILE and (folder := work_folder(span.argv)) is not None
    }
    starters: dict[Span, Span | None] = {}
    for span in trace.spans:
        above = span.parent
        # The Go tool that wanted this run, over wrappers and a -toolexec program.
        starter = starters[above] if above is not None and above.role in (Role.CC, Role.OTHER) else above
        starters[span] = starter
        span.probe = (above is not None and above.probe) or _asks(span, starter) or _ignored_link(span, compiled_at)


def _asks(span: Span, starter: Span | None) -> bool:
    words = span.argv[1:]
    if span.role in _GO_TOOLS:  # cmd/go/internal/work/buildid.go, toolID; cmd/go/internal/vet/vetflag.go
        return any(word.startswith("-V=") for word in words) or (span.role is Role.VET and "-flags" in words)
    if span.role is Role.PKG_CONFIG:
        return "--version" in words
    if span.role not in _C_TOOLS:
        return False
    if words in _VERSION_OPTIONS or any(word in _ANSWERS or word.startswith(("-print-", "--print-")) for word in words):
        return True
    if starter is None or span.role is not Role.CC:
        return False
    if starter.role is Role.GO:  # gccSupportsFlag in cmd/go/internal/work/exec.go: an empty file on standard input
        return "-" in words
    if starter.role is Role.LINK:  # linkerFlagSupported in cmd/link/internal/ld/lib.go
        return words[-1:] != () and words[-1].endswith("/trivial.c")
    return starter.role is Role.CGO and _expects_errors(span, starter)


def _expects_errors(span: Span, cgo: Span) -> bool:
    """cgo's guessKinds, whose compile must fail (gccErrors in cmd/cgo/gcc.go): -O0 behind all flags of the user.

    After unresolved names the same function compiles the preamble alone, without the option against colours; that
    failure is the user's. A cgo that does not know the option yet (before Go 1.21) cannot be told apart: a question.
    """
    if not _forced_o0(span.argv):
        return False
    if _NO_COLOR in span.argv or not cgo.failed:
        return True
    return not any(_NO_COLOR in other.argv for other in cgo.descendants())


def _forced_o0(argv: Sequence[str]) -> bool:
    words = list(argv)
    while words and (words[-1] in (_NO_COLOR, "-", ".", "-I") or words[-1].endswith(".c")):
        words.pop()
    return words[-1:] == ["-O0"]


def _ignored_link(span: Span, compiled_at: dict[str, int]) -> bool:
    """The link of _cgo_.o, from which go only wants to read which symbols are imported.

    Since Go 1.19 its failure makes go link externally and go on (`dynimportfail` in cmd/go/internal/work/exec.go):
    then the package is compiled after it. Without that compile the failure did end the build.
    """
    if span.role is not Role.CC or not any(word.endswith("/_cgo_.o") for word in span.argv):
        return False
    folder = work_folder(span.argv)
    return folder is not None and compiled_at.get(folder, 0) > span.start_ns
