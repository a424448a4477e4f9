"""GT307: a program or a library that was built for a newer glibc than the one it runs with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact, Library
from gotrace.rules import evidence, loading, rebuild, steps, symbol_versions
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import files, name_of, words
from gotrace.rules.symbol_versions import Introduced
from gotrace.trace.model import Span, Trace

_RELOCATIONS: Final = "GLIBC_ABI_DT_RELR"
"""Not of a symbol: the file has packed relocations, which glibc applies since 2.36."""


_SHOWN: Final = 3
_SAYS: Final = re.compile(r"(?P<library>\S+): version `(?P<version>[^']+)' not found \(required by (?P<by>[^)]+)\)")


@dataclass(frozen=True, slots=True)
class _Newer:
    """A file, and what it wants of a library that is older than it expects."""

    file: Fact
    library: Fact
    lacked: tuple[tuple[Introduced, tuple[str, ...]], ...]
    """Versions that the library does not have, the latest first, each with the symbols that are bound to it."""


class GlibcTooOld(Rule):
    """A program or a library was built for a newer glibc (or libstdc++) than the system has that it runs on.

    What it detects
    ---------------
    The loader refused a program or a dlopen, and one of the files that it had brought in asks for versions of symbols
    (GLIBC_2.34) that the library which came in does not define. Both are read in the files: which symbols need that
    version, and of what release the library is.

    Why it happens
    --------------
    Each symbol of glibc has a version, the release that brought it or changed it. A link takes the newest one that the
    building system has; the loader of an older system does not find it and refuses, before main. So a program runs on
    the glibc it was built with, and on later ones. Glibc 2.34 gave new versions to pthread_create and
    __libc_start_main, so that whatever was built there, also Go's own runtime/cgo, needs 2.34: an image that moved
    from Debian 11 to 12, or from Ubuntu 20.04 to 22.04, is enough.

    How to fix it
    -------------
    Build without cgo (CGO_ENABLED=0) where the program has no C code of its own: net and os/user do without. Or build
    on the oldest system that it has to run on, in a container for instance; or link statically with musl; or let zig
    link for an old glibc: CC='zig cc -target x86_64-linux-gnu.2.31'. To set CGO_ENABLED when it starts has no effect.

    References
    ----------
    - https://sourceware.org/glibc/wiki/FAQ (What is symbol versioning good for?)
    - https://github.com/golang/go/issues/58550, https://github.com/docker-library/golang/issues/466
    """

    code = "GT307"
    name = "glibc-too-old"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES})
    consequence_of = ("library-of-another-libc",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each file."""
        for span in trace.spans:
            found = list(_newer(trace, span)) if span.failed else []
            for newer in found:
                yield self._finding(trace, span, newer)
            said = list(evidence.all_said([span], _SAYS)) if span.failed and not found else []
            if said and not files(trace, span).mapped:
                yield self._told(span, said)

    def _finding(self, trace: Trace, span: Span, newer: _Newer) -> Finding:
        openings = list(loading.refused_openings(trace, span))
        opening = openings[-1] if openings and _came_by(span, newer.file.subject, openings[-1].call.began_ns) else None
        mapped = _mapping(span, newer.library.subject)
        said: list[Event | None] = list(span.output[:1]) if opening is None else loading.evidence_of(opening)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(newer),
            span=span,
            evidence=evidence.of(mapped, *said, span.exit),
            fix=_fixes(newer),
            explains=frozenset({steps.span_key(span)}),
        )

    def _told(self, span: Span, said: list[Words]) -> Finding:
        """By the loader's words alone: the files were in another root, which was gone too soon to look at them."""
        versions = [one for words in said if (one := _introduced(words.found["version"])) is not None]
        latest = max(versions, key=lambda one: one.order, default=Introduced(said[0].found["version"], ""))
        having = symbol_versions.distributions_with(latest) if latest.release else []
        name = name_of(said[0].found["by"])
        needs = (
            f"for {latest.library} or newer" if latest.release else f"with another {name_of(said[0].found['library'])}"
        )
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{name} was built {needs}: {said[0].found['library']} here does not have {latest.version}.",
            span=span,
            evidence=evidence.of(*(evidence.quoted(words) for words in said), span.exit),
            fix=[
                Fix(f"Build {name} on the system on which it has to run, or without cgo (CGO_ENABLED=0)."),
                *([Fix(f"Or run it on {' or '.join(having)} or newer.")] if having else []),
            ],
            confidence=0.8,
            explains=frozenset({steps.span_key(span)}),
        )


def _newer(trace: Trace, span: Span) -> Iterator[_Newer]:
    """Files of which a needed version is not there: the loader checks all of them before it goes on."""
    mapped = files(trace, span).mapped
    providers = {str(fact.data.get("soname")): fact for fact in mapped.values() if words(fact, "defined_versions")}
    for fact in mapped.values():
        lacked: dict[str, list[tuple[Introduced, tuple[str, ...]]]] = {}
        for needed in fact.data.get("versions", ()):
            provider = providers.get(str(needed.get("library")))
            introduced = _introduced(str(needed.get("version")))
            if provider is None or introduced is None or needed["version"] in words(provider, "defined_versions"):
                continue
            lacked.setdefault(provider.subject, []).append((introduced, tuple(needed.get("symbols", ()))))
        for path, some in lacked.items():
            latest = sorted(some, key=lambda pair: pair[0].order, reverse=True)
            yield _Newer(fact, mapped[path], tuple(latest))


def _introduced(version: str) -> Introduced | None:
    return Introduced(version, "2.36") if version == _RELOCATIONS else symbol_versions.of_version(version)


def _came_by(span: Span, path: str, began_ns: int) -> bool:
    mapping = _mapping(span, path)
    return mapping is not None and mapping.ts_ns >= began_ns


def _mapping(span: Span, path: str) -> Library | None:
    return next((library for library in span.libraries if library.path == path), None)


def _message(newer: _Newer) -> str:
    latest, symbols = newer.lacked[0]
    others = newer.lacked[1:]
    shown = [f"{name}@{latest.version}" for name in symbols[:_SHOWN]]
    if latest.version == _RELOCATIONS:
        shown = ["packed relocations"]
    more = len(symbols) + sum(len(names) for _, names in others) - len(shown)
    rest = f" and {more} more" if more > 0 else ""
    of = f", some of {listed([one.version for one, _ in others], 3)}" if rest and others else ""
    needs = (
        f"it needs {listed(shown) if not rest else ', '.join(shown)}{rest}{of}"
        if shown
        else f"it needs {latest.version}"
    )
    has = _release(newer.library)
    is_of = f"is glibc {has}" if has else "does not have that"
    return (
        f"{name_of(newer.file.subject)} was built for {latest.library} or newer: {needs}; {newer.library.subject} here "
        f"{is_of}."
    )


def _release(library: Fact) -> str:
    libc = library.data.get("libc")
    return str(libc.get("version", "")) if isinstance(libc, dict) and libc.get("flavour") == "glibc" else ""


def _fixes(newer: _Newer) -> list[Fix]:
    latest, name = newer.lacked[0][0], name_of(newer.file.subject)
    found = rebuild.without_cgo(newer.file, f"Build {name} without cgo, if it has no C code of its own.")
    has = _release(newer.library)
    older = symbol_versions.distributions_up_to(has) if has else []
    such = f" ({' or '.join(older)}, in a container)" if older else ""
    beginning = "Or build" if found else "Build"
    found.append(
        Fix(f"{beginning} {name} on a system with {latest.library.split()[0]} {has or 'of that age'} or older{such}.")
    )
    if rebuild.uses_cgo(newer.file) and latest.of_glibc and has:
        text = f"Or have zig link it for glibc {has}."
        cc = f"CC=zig cc -target x86_64-linux-gnu.{has}"
        if newer.file.data.get("machine") == "x86_64":
            found.append(Fix(text, rebuild.again(newer.file, "CGO_ENABLED=1", cc)))
    having = symbol_versions.distributions_with(latest)
    if having:
        found.append(Fix(f"Or run it on {' or '.join(having)} or newer."))
    return found
