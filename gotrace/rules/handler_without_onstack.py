"""GT406: C code installed a signal handler that runs on the stack of a goroutine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.signals import signal_name
from gotrace.rules import evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.crash import crash_of
from gotrace.trace.model import Span, Trace

_SAID: Final = re.compile(r"non-Go code set up signal handler without SA_ONSTACK flag")
_WHICH: Final = re.compile(r"signal (\d+) received but handler not on signal stack")


class HandlerWithoutOnstack(Rule):
    """Non-Go code installed a signal handler without SA_ONSTACK, and Go's runtime stopped the program for it.

    What it detects
    ---------------
    A Go program ended with status 2, or was killed, after its runtime had said that non-Go code set up a signal
    handler without the flag SA_ONSTACK. The runtime notices it when such a handler passes the signal on to Go's own.

    Why it happens
    --------------
    A goroutine's stack has some kilobytes, and a handler without SA_ONSTACK runs on the stack that the thread has at
    that moment. Go's runtime installs its handlers with SA_ONSTACK for all signals and gives each thread a stack for
    them. A C library that installs its own with sigaction(2) or signal(3), as crash reporters, JVMs and Python
    do, has to ask for that stack too. One that does not pass the signal on breaks the goroutine without a word.

    How to fix it
    -------------
    Set SA_ONSTACK in sa_flags, and pass on to the former handler what is not meant for the library. Where the library
    cannot be changed, install its handler again with the flag after it was loaded: sigaction(sig, NULL, &sa), then
    sa.sa_flags |= SA_ONSTACK, then sigaction(sig, &sa, NULL).

    References
    ----------
    - https://pkg.go.dev/os/signal#hdr-Go_programs_that_use_cgo_or_SWIG
    - Go's src/runtime/signal_unix.go (sigNotOnStack), sigaltstack(2)
    """

    code = "GT406"
    name = "handler-without-onstack"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for span in trace.spans:
            words = evidence.said(span, _SAID) if span.failed else None
            if words is not None:
                yield self._finding(trace, span, words)

    def _finding(self, trace: Trace, span: Span, words: Words) -> Finding:
        which = evidence.said(span, _WHICH)
        of_signal = f" for {signal_name(int(which.found[1]))}" if which is not None else ""
        program = span.exec.path.rpartition("/")[2]
        crash = crash_of(trace, span)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"C code in {program} installed a signal handler{of_signal} without SA_ONSTACK: it ran on the stack of "
                "a goroutine, and Go's runtime ended the program."
            ),
            span=span,
            evidence=evidence.of(
                evidence.quoted(which),
                evidence.quoted(words),
                crash.signal if crash is not None else None,
                span.exit,
            ),
            fix=[
                Fix("Install it with SA_ONSTACK in sa_flags, and pass on to the former handler what it is not for."),
                Fix("Where that is a library's code: add SA_ONSTACK to its handler with sigaction() after loading it."),
            ],
            confidence=0.9,
            explains=frozenset({steps.span_key(span)}),
        )
