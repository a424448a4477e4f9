"""GT304: a library that was built for another C library than the one the program runs with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Fact, Library
from gotrace.rules import evidence, libcs, loading, rebuild, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import Files, absolute, binary, files, name_of, words
from gotrace.trace.dynamic import Opening
from gotrace.trace.model import Span, Trace

_OF_MUSL: Final = ("libc.so", "libc.musl-")
_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A file for another C library, that the loader refused."""

    file: Fact
    span: Span
    opening: Opening | None
    """None: the program did not start."""


class LibraryOfAnotherLibc(Rule):
    """A program with one C library was given a library that was built for another: glibc's for musl, or the reverse.

    What it detects
    ---------------
    The loader ended a program (exit status 127), or the program gave up after a dlopen(3) that returned NULL, and one
    of the files concerned needs another C library than the process has. What a file needs is read in the file: its
    loader, the libraries it names, the versions of symbols.

    Why it happens
    --------------
    glibc and musl are two implementations of one standard, not two releases of one library. A library that was built
    for glibc asks for functions that musl has not (__sprintf_chk of _FORTIFY_SOURCE, versions such as GLIBC_2.34); musl
    says `Error relocating libfoo.so: __sprintf_chk: symbol not found`. A library that was built for musl asks for
    libc.so, or libc.musl-x86_64.so.1, which a system with glibc does not have, or has as a text for the linker
    (`invalid ELF header`). It happens where an image is put together from two distributions, or a package manager
    other than the system's brings binaries.

    How to fix it
    -------------
    Have program and libraries from one side: install the library's package of the distribution that the program runs
    on, or build it with the compiler that the program is built with, or build the program for the other side. A link
    from one loader's name to the other does not help.

    References
    ----------
    - https://wiki.musl-libc.org/functional-differences-from-glibc.html
    - https://github.com/kahing/goofys/issues/459, https://github.com/dnote/dnote/issues/652
    """

    code = "GT304"
    name = "library-of-another-libc"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such library."""
        for span in trace.spans:
            known = files(trace, span) if span.failed else Files()
            has = libcs.of_process(known)
            for stranger in _strangers(trace, span, known, has) if has else ():
                yield self._finding(trace, known, stranger)
        unseen_files.must_be_none(trace)

    def _finding(self, trace: Trace, known: Files, stranger: _Stranger) -> Finding:
        span, path, opening = stranger.span, stranger.file.subject, stranger.opening
        library = next((one for one in span.libraries if one.path == path), None)
        wants, has = libcs.of_file(stranger.file), libcs.of_process(known)
        opens = "opens" if opening is not None else "needs"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{name_of(span.exec.path)} runs with {libcs.named(known)} and {opens} {name_of(path)}, which was "
                f"built for {wants}{_lacks(trace, stranger, has)}."
            ),
            span=span,
            evidence=evidence.of(*loading.evidence_of(opening), library, span.exit),
            fix=_fixes(known, stranger),
            explains=frozenset({steps.span_key(span)}),
        )


def _strangers(trace: Trace, span: Span, known: Files, has: str) -> Iterator[_Stranger]:
    """The first one of each dlopen that failed, or of the program's start."""
    if loading.stopped_by_loader(trace, span):
        came_in = [fact for fact in known.mapped.values() if fact is not known.program]
        yield from (_Stranger(fact, span, None) for fact in came_in if _is_strange(fact, has))
    for opening in loading.refused_openings(trace, span):
        concerned = (binary(trace, span.process, path) for path in _concerned(span, opening))
        strange = next((fact for fact in concerned if fact is not None and _is_strange(fact, has)), None)
        if strange is not None:
            yield _Stranger(strange, span, opening)


def _concerned(span: Span, opening: Opening) -> Iterator[str]:
    """The paths of the file that was asked for, and of what came in with it."""
    if "/" in (opening.call.filename or ""):
        yield absolute(span, opening.call.filename or "")
    yield from (one.path for one in span.libraries if _during(one, opening))


def _during(library: Library, opening: Opening) -> bool:
    return opening.call.began_ns <= library.ts_ns <= opening.call.ts_ns


def _is_strange(fact: Fact, has: str) -> bool:
    wants = libcs.of_file(fact)
    return bool(wants) and wants != has


def _lacks(trace: Trace, stranger: _Stranger, has: str) -> str:
    """What it needs that is not there, as a clause."""
    if libcs.of_file(stranger.file) == "musl":
        libc = next((name for name in words(stranger.file, "needed") if name.startswith(_OF_MUSL)), "")
        return f": {libc}, which it needs, is musl's name for itself" if libc else ""
    facts = trace.facts_for("undefined_symbols", stranger.span.process.pid)
    missing = next((fact for fact in facts if fact.subject == stranger.file.subject), None)
    names = words(missing, "symbols") if missing is not None else []
    return f": it needs {listed(names, _MOST_NAMED)}, which {has} does not have" if names else ""


def _fixes(known: Files, stranger: _Stranger) -> list[Fix]:
    wants, has = libcs.of_file(stranger.file), libcs.of_process(known)
    name = name_of(stranger.file.subject)
    mode = rebuild.setting(stranger.file, "-buildmode")
    if mode and has == "glibc":
        command = rebuild.again(
            stranger.file, "CGO_ENABLED=1", f"CC={libcs.compiler(has)}", flags=(f"-buildmode={mode}",)
        )
        return [Fix(f"Build {name} for {has}, as the program is.", command)]
    found = [
        Fix(
            f"Take a {name} that was built for {has}: the package of the distribution that the program runs on, or a "
            f"build of your own with {libcs.compiler(has)}."
        )
    ]
    if known.program is not None and rebuild.uses_cgo(known.program):
        text = f"Or build the program for {wants}, and run it where that is."
        command = rebuild.again(known.program, "CGO_ENABLED=1", f"CC={libcs.compiler(wants)}")
        found.append(Fix(text, command))
    return found
