"""GT411: a Go pointer went to C in a way that cgo forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Trace

_SAID: Final = re.compile(
    r"^(?:panic: runtime error|fatal error): "
    r"(?P<what>(?:cgo argument|argument of cgo function) has Go pointer to (?:unpinned )?Go pointer"
    r"|cgo result (?:has Go pointer|is unpinned Go pointer).*"
    r"|(?:unpinned )?Go pointer stored into non-Go memory)"
)
_GO_STATUS: Final = 2


class CgoPointerRule(Rule):
    """Go's runtime stopped a program that gave C memory which holds pointers to Go memory.

    What it detects
    ---------------
    A Go program ended with status 2 after its runtime had said that an argument, or a result, of a cgo call has a Go
    pointer to an unpinned Go pointer, or that one was stored into memory of C.

    Why it happens
    --------------
    C may have a pointer to Go memory for as long as the call lasts, but nothing that this memory points to in Go's
    own memory: the collector might free or move it. cgo checks the arguments of each call at run time
    (GODEBUG=cgocheck=1). A struct with a pointer to a Go slice or string in it is the usual case.

    How to fix it
    -------------
    Pin what it points to with runtime.Pinner (Go 1.21) and unpin it after the call, or copy it into C memory
    (C.CString, C.CBytes, C.malloc), or hand over a handle of runtime/cgo.NewHandle.

    References
    ----------
    - https://pkg.go.dev/cmd/cgo#hdr-Passing_pointers
    - https://pkg.go.dev/runtime#Pinner, https://pkg.go.dev/runtime/cgo#Handle
    """

    code = "GT411"
    name = "cgo-pointer-rule"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for span in trace.spans:
            ended = span.exit is not None and (span.exit.status == _GO_STATUS or span.exit.signal is not None)
            words = evidence.said(span, _SAID) if ended else None
            if words is None:
                continue
            program = span.exec.path.rpartition("/")[2]
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=(
                    f"{program} broke cgo's rule about pointers, and Go's runtime ended it: {words.found['what']}. Its "
                    "traceback, on stderr, begins with the call."
                ),
                span=span,
                evidence=evidence.of(evidence.quoted(words), span.exit),
                fix=[
                    Fix("Pin what the memory points to for the time of the call: runtime.Pinner, Pin and Unpin."),
                    Fix("Or copy it into memory of C: C.CBytes, C.CString, C.malloc (and C.free)."),
                ],
                confidence=0.9,
                explains=frozenset({steps.span_key(span)}),
            )
