"""GT408: C code needs more stack than a thread has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import crashed, evidence, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.places import amount
from gotrace.trace.crash import Meaning, crashes
from gotrace.trace.model import Trace

_OF_MUSL: Final = 128 << 10
_ENOUGH: Final = 8 << 20
_FOR_THE_LINKER: Final = re.compile(r"-extldflags[= ](?:(?P<quote>[\"'])(?P<quoted>.*?)(?P=quote)|(?P<bare>\S+))")


class SmallThreadStack(Rule):
    """C code ran out of the stack of its thread, which musl makes 128 KiB large.

    What it detects
    ---------------
    A program crashed by touching the guard page below the stack of a thread, in C code, and its C library is musl.

    Why it happens
    --------------
    cgo calls run on the stack of the thread. glibc gives each thread 8 MiB (ulimit -s), musl 128 KiB, whatever the
    limit is: recursion or large local variables that do on glibc end with SIGSEGV in Alpine. Which thread Go takes for
    a call is chance, and so is the crash: the first thread of a process has the 8 MiB.

    How to fix it
    -------------
    Tell the linker how large stacks have to be, which musl takes as the default: `-Wl,-z,stack-size=8388608` in
    CGO_LDFLAGS or -extldflags. Or make the C code's thread with pthread_attr_setstacksize().

    References
    ----------
    - https://wiki.musl-libc.org/functional-differences-from-glibc.html#Thread-stack-size
    - https://github.com/golang/go/issues/14481
    """

    code = "GT408"
    name = "small-thread-stack"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for crash in crashes(trace):
            if crash.meaning is not Meaning.STACK_OVERFLOW or not crash.stack or crash.stack[0].origin == "go":
                continue
            known = loaded_files.files(trace, crash.span)
            libc = known.libc or known.program
            if loaded_files.flavour(libc) != "musl" or _has_enough(known.program):
                continue
            where = crashed.function(crash.stack[0])
            by = crashed.go_caller(crash)
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=(
                    f"{crashed.program(crash)} ran out of stack in {where}{f', called by {by}' if by else ''}: its C "
                    f"library is musl, which gives a thread {amount(_stack(known.program))}."
                ),
                span=crash.span,
                evidence=evidence.of(crash.signal, crash.span.exit, known.program),
                fix=_fixes(known.program),
                confidence=0.9,
                explains=frozenset({steps.span_key(crash.span)}),
            )


def _stack(program: Fact | None) -> int:
    size = program.data.get("stack_size") if program is not None else None
    return size if isinstance(size, int) and size > 0 else _OF_MUSL


def _has_enough(program: Fact | None) -> bool:
    return _stack(program) >= _ENOUGH


def _fixes(program: Fact | None) -> list[Fix]:
    flag = f"-Wl,-z,stack-size={_ENOUGH}"
    ways = [Fix("Or need less stack: allocate with malloc what is large, and bound the recursion.")]
    if program is None or not rebuild.go_of(program):
        return [Fix(f"Link the program with {flag}."), *ways]
    given = rebuild.setting(program, "-ldflags")
    found = _FOR_THE_LINKER.search(given)
    if found is not None:
        quote = found["quote"] or '"'
        options = found["quoted"] or found["bare"]
        flags = f"{given[: found.start()]}-extldflags {quote}{options} {flag}{quote}{given[found.end() :]}"
    else:
        flags = f"{given} -linkmode external -extldflags {flag}".strip()
    again = rebuild.again(program, "CC=musl-gcc", flags=("-ldflags", flags))
    return [Fix("Have the linker ask for stacks of 8 MiB (CC as it was).", again), *ways]
