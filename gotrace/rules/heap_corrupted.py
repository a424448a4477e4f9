"""GT414: the C library found its heap damaged and ended the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import crashed, evidence, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.crash import SIGABRT, Crash, crashes
from gotrace.trace.model import Trace

_SAID: Final = re.compile(
    r"^(?:(?:free|malloc|realloc|calloc|munmap_chunk|malloc_consolidate|_int_\w+)\(\): .+"
    r"|double free or corruption.*|corrupted (?:size vs\. prev_size|double-linked list).*)$"
)
_ALLOCATES: Final = frozenset({"malloc", "free", "calloc", "realloc", "cfree", "memalign", "posix_memalign"})
_GO_SIDE: Final = re.compile(r"\._C2?func_(?P<name>\w+)$")
_KINDS: Final = (
    (re.compile(r"double free"), "the same block is freed twice"),
    (re.compile(r"invalid pointer|munmap_chunk"), "something is freed that malloc did not give, or not any more"),
    (re.compile(r""), "somebody had written past the end of a block, or into one that was freed, before that"),
)
"""What the words of glibc mean, the first that fits (malloc/malloc.c: malloc_printerr)."""


class HeapCorrupted(Rule):
    """The C library found its heap damaged, by a block freed twice or written past its end, and ended the program.

    What it detects
    ---------------
    A program ended by SIGABRT (Go's runtime catches the signal, prints its traceback and exits with status 2) that
    glibc's malloc sent itself: its message is on stderr ("free(): double free detected in tcache 2", "malloc():
    corrupted top size"), or the innermost functions are those of free or malloc and abort.

    Why it happens
    --------------
    C memory has no owner that the language knows. In a cgo program a block is freed twice where Go frees what the
    library frees as well (C.free of a C.CString that was handed over), or a Go finalizer and an explicit Close do the
    same. glibc notices some of this, later and elsewhere: where the program stops is where the damage was found, and
    with a double free that is the second one. musl notices less, and ends the program by SIGSEGV.

    How to fix it
    -------------
    Decide who frees a block, and free it there only. To find the place, build with the address sanitizer, `go build
    -asan`, and run the program again: it reports the first wrong access, and where the block was allocated and freed.

    References
    ----------
    - https://pkg.go.dev/cmd/cgo#hdr-Go_references_to_C
    - malloc(3), mallopt(3); glibc's malloc/malloc.c (malloc_printerr)
    - https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies (-asan)
    """

    code = "GT414"
    name = "heap-corrupted"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such end."""
        for crash in crashes(trace):
            words = evidence.said(crash.span, _SAID)
            allocator = _allocator(crash)
            if crash.signal.signal != SIGABRT or (words is None and not allocator):
                continue
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(crash, allocator, words),
                span=crash.span,
                evidence=evidence.of(crash.signal, evidence.quoted(words), crash.span.exit),
                fix=_fixes(trace, crash, words),
                confidence=1.0 if words is not None else 0.9,
                explains=frozenset({steps.span_key(crash.span)}),
            )


def _allocator(crash: Crash) -> str:
    """Which function of malloc's family aborted; empty for none: all frames up to it are libc's."""
    aborted = False
    for frame in crash.stack:
        if frame.origin != "libc":
            return ""
        aborted = aborted or frame.symbol == "abort"
        if aborted and frame.symbol in _ALLOCATES:
            return frame.symbol
    return ""


def _by_whom(crash: Crash) -> str:
    """Who called the allocator, as far as frames tell: "C.release, called by main.main"."""
    above = crashed.go_caller(crash)
    name = ""
    for frame in crash.stack:
        if frame.origin == "c" and frame.module:
            name = crashed.function(frame)
            break
        if side := _GO_SIDE.search(frame.symbol):
            name = f"C.{side['name']}"
            break
    if not name:
        return above
    return f"{name}, called by {above}" if above else name


def _meaning(words: Words | None) -> str:
    """What damage it was; empty where nothing was said."""
    if words is None:
        return ""
    return next(meaning for pattern, meaning in _KINDS if pattern.search(words.line))


def _message(crash: Crash, allocator: str, words: Words | None) -> str:
    where = f" in {allocator}" if allocator else ""
    whom = _by_whom(crash)
    found = (
        f"The C library found its heap damaged{where}{f' ({whom})' if whom else ''} and ended {crashed.program(crash)}"
    )
    if words is None:
        return f"{found}."
    return f"{found}: {words.line.strip()}. That is to say, {_meaning(words)}."


def _fixes(trace: Trace, crash: Crash, words: Words | None) -> list[Fix]:
    twice = words is not None and "double free" in words.line
    ways = [Fix("Free the block in one place only: where C keeps it, C.free of Go must not.")] if twice else []
    text = "Build it with the address sanitizer and run it again: that names the first wrong access and the block."
    built = [fact for fact in trace.facts_for("binary", crash.signal.pid) if rebuild.uses_cgo(fact)]
    program = next(iter(built), None)
    if program is None:
        return [*ways, Fix("Build it with -fsanitize=address and run it again: that names the first wrong access.")]
    return [*ways, Fix(text, rebuild.again(program, "CGO_ENABLED=1", flags=("-asan",)))]
