"""GT305: a static program opens a library, which it cannot, or only with a second C library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Event, SyscallError
from gotrace.rules import crashed, evidence, fixes, libcs, loading, rebuild, second_libc, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import Files, files, flavour, name_of
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.dynamic import Opening
from gotrace.trace.model import Span, Trace

_LIBC: Final = "libc.so.6"
_MUSL_SAYS: Final = re.compile(r"Dynamic loading not supported")
"""All that is to be seen of a dlopen in a static program without symbols."""


class DlopenInStaticProgram(Rule):
    """A program that was linked statically opens a shared library, and fails.

    What it detects
    ---------------
    A program with its C library inside ended with a failure after a dlopen(3) that returned NULL: with musl any; with
    glibc one for which a second glibc (libc.so.6) was looked for and not found, or was refused. The same where a
    static program with glibc crashed while it loaded a library, and that was none for looking up names (see
    static-glibc-loads-nss).

    Why it happens
    --------------
    musl's loader is not part of a static program: its dlopen always returns NULL (`Dynamic loading not supported`).
    glibc's is, but the library needs libc.so.6, which is then loaded as a second libc into the same process. It must be
    there, and be of the very release that is in the program; otherwise it is refused, or the program crashes
    (`_dl_call_libc_early_init: Assertion`). The linker warns: `Using 'dlopen' in statically linked applications
    requires at runtime the shared libraries from the glibc version used for linking`.

    How to fix it
    -------------
    Link the program dynamically: leave -static out of -extldflags. Or link the library in as well, as an archive
    (`#cgo LDFLAGS: ${SRCDIR}/libfoo.a`), and open nothing.

    References
    ----------
    - https://sourceware.org/glibc/wiki/FAQ (even statically linked programs need some shared libraries)
    - https://wiki.musl-libc.org/functional-differences-from-glibc.html (Dynamic linker)
    """

    code = "GT305"
    name = "dlopen-in-static-program"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for crash in crashes(trace):
            known = files(trace, crash.span)
            by_loading = libcs.is_static(known, "glibc") and second_libc.loaded_by_itself(trace, crash)
            if by_loading and not second_libc.name_services(crash.span):
                yield self._crashed(trace, known, crash)
        for span in trace.spans:
            known = files(trace, span) if span.failed else Files()
            if libcs.is_static(known):
                yield from self._refused(trace, span, known)
        unseen_files.must_be_none(trace)

    def _refused(self, trace: Trace, span: Span, known: Files) -> Iterator[Finding]:
        refused = [one for one in loading.refused_openings(trace, span) if one.call.filename]
        searched = span.failing(_LIBC)
        came_in = list(second_libc.brought_in(trace, span))
        musl = libcs.is_static(known, "musl")
        said = evidence.said(span, _MUSL_SAYS) if musl else None
        if musl and (refused or said is not None):
            which = f": not {_name(refused)}" if refused else ""
            text = f"{_program(span)} is static, with musl inside, whose dlopen loads no library{which}."
        elif not musl and searched and (refused or came_in) and not second_libc.name_services(span):
            opened = _name(refused) if refused else came_in[-1]
            text = (
                f"{_program(span)} is static, with glibc inside, and opens {opened}: that needs a second glibc, "
                f"{_LIBC}, which is not here. It would have to be of the release that is in the program."
            )
        else:
            return
        yield self._finding(
            trace, span, known, text, [*_events(refused, searched), evidence.quoted(said)], sure=bool(refused)
        )

    def _crashed(self, trace: Trace, known: Files, crash: Crash) -> Finding:
        opened = [name_of(path) for path in second_libc.brought_in(trace, crash.span)]
        what = opened[0] if opened else "a library"
        by = crashed.go_caller(crash)
        text = (
            f"{_program(crash.span)} is static, with glibc inside, and loaded {what}{f' for {by}' if by else ''}, with "
            f"it a second glibc ({second_libc.named(trace, crash.span)}), which is of another release or was not set "
            "up: the program crashed."
        )
        mapped = [one for one in crash.span.libraries if name_of(one.path) in (what, _LIBC)]
        return self._finding(trace, crash.span, known, text, [*mapped, crash.signal])

    def _finding(
        self, trace: Trace, span: Span, known: Files, text: str, events: Sequence[Event | None], *, sure: bool = True
    ) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=text,
            span=span,
            evidence=evidence.of(*events, span.exit),
            fix=list(_fixes(trace, known)),
            confidence=1.0 if sure else 0.8,
            explains=frozenset({steps.span_key(span)}),
        )


def _program(span: Span) -> str:
    return name_of(span.exec.path)


def _name(refused: Sequence[Opening]) -> str:
    return str(refused[-1].call.filename)


def _events(refused: Sequence[Opening], searched: Sequence[SyscallError]) -> list[Event | None]:
    asked: list[Event | None] = [event for one in refused[-1:] for event in (one.call, one.error)]
    return [*evidence.sample(searched), *asked]


def _fixes(trace: Trace, known: Files) -> Iterator[Fix]:
    inside = flavour(known.program, "static")
    command = None
    if known.program is not None and rebuild.uses_cgo(known.program):
        native = inside == "glibc" or "alpine" in fixes.distribution(trace)
        compiler = () if native else (f"CC={libcs.compiler(inside)}",)
        command = rebuild.again(known.program, "CGO_ENABLED=1", *compiler)
    yield Fix("Link the program dynamically, without -static in the linker's flags.", command)
    yield Fix("Or link the library in as an archive (`#cgo LDFLAGS: ${SRCDIR}/libfoo.a`), and open nothing.")
