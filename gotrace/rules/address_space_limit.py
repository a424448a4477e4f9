"""GT412: a program may not reserve as much address space as Go's runtime does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_numbers
from gotrace.events.facets import Facet
from gotrace.rules import evidence, last_calls, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.last_calls import Ending
from gotrace.rules.places import amount
from gotrace.trace.model import Span, Trace

_NO_MEMORY: Final = errno_numbers("ENOMEM", "EAGAIN")
_RESERVES: Final = frozenset({"mmap", "brk", "mremap", "mprotect"})
_SAID: Final = re.compile(
    r"failed to reserve page summary memory|out of memory: cannot allocate|cannot map pages in arena address space"
    r"|runtime: cannot (?:allocate|reserve)|failed to reserve"
)
_PROT_NONE: Final = 0
_LARGE: Final = 64 << 20
_KIB: Final = 1024


class AddressSpaceLimit(Rule):
    """A limit on address space stopped a Go program, which reserves much and uses little of it.

    What it detects
    ---------------
    A program ended after mmap(2) had failed with ENOMEM, under a limit on address space (RLIMIT_AS), or for memory
    that is only reserved (PROT_NONE). The limit is read while the process lives.

    Why it happens
    --------------
    `ulimit -v`, limits.conf and batch systems limit address space, where memory is meant. Go's runtime reserves some
    hundred megabytes at its start for tables of the whole address space, and touches little of them: with less than
    about 600 MiB a program does not even start. Each thread of C takes 8 MiB for its stack and 64 MiB for malloc.

    How to fix it
    -------------
    Take the limit away (`ulimit -v unlimited`) and limit memory instead: MemoryMax= in a unit of systemd, `--memory` in
    a container, GOMEMLIMIT for Go's own heap.

    References
    ----------
    - getrlimit(2) (RLIMIT_AS), https://pkg.go.dev/runtime#hdr-Environment_Variables (GOMEMLIMIT)
    - Go's src/runtime/mpagealloc_64bit.go
    """

    code = "GT412"
    name = "address-space-limit"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        found = (one for one in last_calls.endings(trace, _NO_MEMORY, _SAID) if _by_a_limit(trace, one))
        for ending in last_calls.one_of_each_program(found):
            soft, _, _ = last_calls.limit(trace, ending.span, "as")
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(ending, soft),
                span=ending.span,
                evidence=evidence.of(
                    ending.call,
                    evidence.quoted(ending.words),
                    ending.span.exit,
                    last_calls.told_of(trace, ending.span, "limits.as") if soft is not None else None,
                ),
                fix=_fixes(ending.span),
                confidence=ending.sure if soft is not None else min(ending.sure, last_calls.POSSIBLE),
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _by_a_limit(trace: Trace, ending: Ending) -> bool:
    """The limit is known, or the runtime said that it could not even reserve what it uses later."""
    if ending.call.syscall not in _RESERVES:
        return False
    soft, _, _ = last_calls.limit(trace, ending.span, "as")
    return soft is not None or (_only_reserves(ending) and ending.words is not None)


def _only_reserves(ending: Ending) -> bool:
    arguments = ending.call.args
    return len(arguments) > 2 and arguments[2] == _PROT_NONE and arguments[1] >= _LARGE


def _message(ending: Ending, soft: int | None) -> str:
    size = ending.call.args[1] if len(ending.call.args) > 1 and ending.call.syscall == "mmap" else 0
    wanted = f" {amount(size)} of" if size else ""
    limit = f" is {amount(soft)} (ulimit -v {soft // _KIB})" if soft is not None else " is too low (ulimit -v)"
    return f"{ending.program} could not reserve{wanted} address space: its limit{limit}."


def _fixes(span: Span) -> list[Fix]:
    # Not the command that was watched: a script in which `ulimit -v` stands would set the limit again.
    command = ("prlimit", "--as=unlimited", span.exec.path, *(span.exec.argv or ())[1:])
    return [
        Fix("Start it without a limit on address space; where it is a hard one, only root can.", command),
        Fix("Limit memory instead: MemoryMax= (systemd), --memory (containers), GOMEMLIMIT for Go's own heap."),
    ]
