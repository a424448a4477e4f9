"""GT312: a library or an archive made by Go, in a program with musl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.rules import crashed, evidence, libcs, loading, rebuild, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import Files, absolute, binary, files, name_of
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.dynamic import Opening
from gotrace.trace.model import Span, Trace

_LIBRARIES: Final = ("c-shared", "c-archive")
_STARTS: Final = ("runtime.sysargs", "runtime.args")
"""The functions of Go's runtime that read argc, argv and what follows."""


class GoLibraryOnMusl(Rule):
    """A library that Go made (c-shared, c-archive) is used by a program with musl.

    What it detects
    ---------------
    In a process with musl, a program crashed in the first steps of Go's runtime (runtime.sysargs), in code that was
    built with -buildmode=c-shared or c-archive; or a dlopen(3) of such a library returned NULL, and the program gave
    up.

    Why it happens
    --------------
    Go's runtime in a library starts in a constructor, and takes argc, argv and envp for its arguments. glibc hands
    these to constructors; no standard says so, and musl hands them nothing: the runtime follows what happens to be in
    the registers. And the library has a thread-local variable at a fixed distance (initial-exec TLS), for which musl
    has room only at the program's start: dlopen says `initial-exec TLS resolves to dynamic definition`.

    How to fix it
    -------------
    Use the library in a program for glibc. Or turn the program round: main in Go and the C code called by cgo works
    with musl, also linked statically. Or run the Go code as a process of its own.

    References
    ----------
    - https://go.dev/issue/13492 (c-archive and c-shared on musl), https://go.dev/issue/54805 (TLS)
    - go doc cmd/go (go help buildmode)
    """

    code = "GT312"
    name = "go-library-on-musl"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES, Facet.SIGNALS, Facet.DL_CALLS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for crash in crashes(trace):
            known = files(trace, crash.span)
            made = _started_in(known, crash)
            if made is not None and libcs.of_process(known) == "musl":
                yield self._crashed(known, crash, made)
        for span in trace.spans:
            known = files(trace, span) if span.failed else Files()
            if libcs.of_process(known) == "musl":
                yield from self._refused(trace, known, span)
        unseen_files.must_be_none(trace)

    def _crashed(self, known: Files, crash: Crash, made: Fact) -> Finding:
        what = name_of(made.subject)
        code = f"{what}, which Go made" if made is not known.program else f"the Go code in {what}"
        text = (
            f"{crashed.program(crash)} crashed in {crash.stack[0].symbol} of {code} (-buildmode={_mode(made)}): Go's "
            f"runtime takes argc and argv from the constructor that starts it, and {libcs.named(known)} hands "
            "constructors no arguments."
        )
        return self._finding(crash.span, text, [crashed.mapped(crash, made.subject), crash.signal])

    def _refused(self, trace: Trace, known: Files, span: Span) -> Iterator[Finding]:
        for opening in loading.refused_openings(trace, span):
            made = _opened(trace, span, opening)
            if made is not None and libcs.of_file(made) != "glibc":
                text = (
                    f"{name_of(span.exec.path)} opens {name_of(made.subject)}, which Go made (-buildmode="
                    f"{_mode(made)}), by dlopen: Go's runtime in it needs thread-local storage at a fixed place, and "
                    f"{libcs.named(known)} gives that to what is loaded with the program only."
                )
                yield self._finding(span, text, loading.evidence_of(opening))

    def _finding(self, span: Span, text: str, events: list[Event | None]) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=text,
            span=span,
            evidence=evidence.of(*events, span.exit),
            fix=[
                Fix("Build program and library for glibc, and run them where that is."),
                Fix("Or make the Go program the main one, and call the C code from it by cgo: that works with musl."),
                Fix("Or have the C program start the Go program as a process of its own."),
            ],
            explains=frozenset({steps.span_key(span)}),
        )


def _started_in(known: Files, crash: Crash) -> Fact | None:
    """The file whose Go runtime was starting when the program crashed, where that file is a library's."""
    first = crash.stack[0] if crash.stack else None
    if first is None or first.symbol not in _STARTS:
        return None
    made = known.mapped.get(first.module)
    return made if made is not None and _mode(made) in _LIBRARIES else None


def _opened(trace: Trace, span: Span, opening: Opening) -> Fact | None:
    filename = opening.call.filename or ""
    paths = [absolute(span, filename)] if "/" in filename else []
    paths += [one.path for one in span.libraries if opening.call.began_ns <= one.ts_ns <= opening.call.ts_ns]
    found = (binary(trace, span.process, path) for path in paths)
    return next((fact for fact in found if fact is not None and _mode(fact) in _LIBRARIES), None)


def _mode(file: Fact) -> str:
    return rebuild.setting(file, "-buildmode")
