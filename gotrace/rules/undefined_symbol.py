"""GT309: a symbol that nothing a program loaded defines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.rules import evidence, fixes, loading, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import Files, files, flavour, name_of, words
from gotrace.trace.dynamic import Opening
from gotrace.trace.model import Span, Trace

_SAYS: Final = re.compile(
    r"(?P<file>[^\s:]+): undefined symbol: (?P<name>[^\s,]+)(?:, version (?P<version>\S+))?"
    r"|Error relocating (?P<musl_file>[^:]+): (?P<musl_name>[^:\s]+): symbol not found"
)
"""glibc's words, and musl's."""


@dataclass(frozen=True, slots=True)
class _Lack:
    """What one program lacked."""

    span: Span
    file: Fact
    """The `binary` that needs it."""
    symbols: tuple[str, ...]
    """The one that the loader named comes first."""
    said: bool
    """The loader named one of them."""
    fact: Fact
    """The `undefined_symbols` of that file."""
    opening: Opening | None
    words: Words | None


class UndefinedSymbol(Rule):
    """A program or a library needs a symbol that none of the loaded files defines.

    What it detects
    ---------------
    The loader ended a program (exit status 127), though all libraries that it needs had come in, or the program gave up
    after a dlopen(3) that returned NULL; and one of the files needs symbols that no file defines which was loaded. That
    was looked up in the tables of symbols of all of them. Where more than one is missing, the loader's words, or what
    dlerror(3) returned, tell which one it was.

    Why it happens
    --------------
    A shared library may be linked without the libraries that it uses itself: gcc does not complain of what is undefined
    then. Nor does anybody of a newer or older release of a library that has lost a symbol. By default a function is
    looked up when it is called for the first time (lazy binding), so that a program ends in the middle of its work. Go
    programs that use net with cgo need libresolv's res_search since Go 1.20: a C link of a c-archive must name it.

    How to fix it
    -------------
    Link the file with the library that has the symbol (-lresolv), or bring the release of the library it was built
    with. LD_BIND_NOW=1, or the link flag -Wl,-z,now, has all functions looked up at the start; -Wl,-z,defs at the link
    of the library; `ldd -r FILE` tells of them beforehand.

    References
    ----------
    - ld.so(8) (LD_BIND_NOW), ld(1) (-z defs, -z now), ldd(1)
    - https://github.com/golang/go/issues/59305, https://github.com/Azure/azure-dev/issues/1599
    - https://github.com/dnote/dnote/issues/652 (a program of glibc under the name of musl's loader)
    """

    code = "GT309"
    name = "undefined-symbol"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES})
    consequence_of = (
        "library-of-another-libc",
        "glibc-too-old",
        "shared-library-not-found",
        "wrong-elf-file",
        "noexec-library",
        "go-library-on-musl",
    )

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for span in trace.spans:
            lack = _lack(trace, span) if span.failed else None
            if lack is not None and not any(missing.tried for missing in loading.missing(trace, span)):
                yield self._finding(trace, lack)

    def _finding(self, trace: Trace, lack: _Lack) -> Finding:
        known = files(trace, lack.span)
        mapped = next((one for one in lack.span.libraries if one.path == lack.file.subject), None)
        events: list[Event | None] = [mapped, evidence.quoted(lack.words), *loading.evidence_of(lack.opening)]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(lack, known),
            span=lack.span,
            evidence=evidence.of(*events, lack.span.exit),
            fix=_fixes(trace, lack, known),
            confidence=1.0 if lack.said else 0.9,
            explains=frozenset({steps.span_key(lack.span)}),
        )


def _lack(trace: Trace, span: Span) -> _Lack | None:
    facts = {fact.subject: fact for fact in trace.facts_of("undefined_symbols") if fact.pid == span.process.pid}
    known = files(trace, span)
    if not facts or not known.mapped:
        return None
    if loading.stopped_by_loader(trace, span) and evidence.said(span, _SAYS) is not None:
        return _chosen(span, known.mapped, facts, None)
    for opening in loading.refused_openings(trace, span):
        read = {fact.subject: fact for fact in loading.brought_in(trace, span, opening)}
        found = _chosen(span, read, {path: fact for path, fact in facts.items() if path in read}, opening)
        if found is not None:
            return found
    return None


def _chosen(
    span: Span, binaries: Mapping[str, Fact], facts: Mapping[str, Fact], opening: Opening | None
) -> _Lack | None:
    """The file and the symbol that the loader named, or the first file that lacks any."""
    told = evidence.said(span, _SAYS)
    text = _SAYS.search(opening.reason) if opening is not None else None
    match = text or (told.found if told is not None else None)
    name = (match["name"] or match["musl_name"]) if match is not None else None
    lacking = [(path, fact) for path, fact in facts.items() if path in binaries and not flavour(binaries[path], "is")]
    lacking.sort(key=lambda pair: name not in words(pair[1], "symbols"))
    if not lacking:
        return None
    path, fact = lacking[0]
    symbols = sorted(words(fact, "symbols"), key=lambda symbol: symbol != name)
    return _Lack(span, binaries[path], tuple(symbols), name in symbols, fact, opening, told)


def _message(lack: _Lack, known: Files) -> str:
    program, file = name_of(lack.span.exec.path), name_of(lack.file.subject)
    count = int(lack.fact.data.get("count", len(lack.symbols)))
    shown = list(lack.symbols[:1] if lack.said else lack.symbols[:3])
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    beginning = f"{file} needs {listed(shown)}{more}, which nothing that {program} loaded defines"
    if flavour(lack.file, "dynamic") == "glibc" and flavour(known.libc, "is") == "musl":
        return f"{beginning}: it was linked with glibc, and here musl loads it, which has less."
    if lack.opening is not None:
        return f"{beginning}: dlopen refuses it."
    lazy = not lack.file.data.get("bind_now") and not (lack.span.exec.env or {}).get("LD_BIND_NOW")
    when = "; functions are looked up at their first call, so it may have run for a while" if lazy else ""
    return f"{beginning}{when}."


def _fixes(trace: Trace, lack: _Lack, known: Files) -> list[Fix]:
    file = name_of(lack.file.subject)
    if flavour(lack.file, "dynamic") == "glibc" and flavour(known.libc, "is") == "musl":
        return [
            *rebuild.without_cgo(known.program, f"Build {name_of(lack.span.exec.path)} without cgo."),
            Fix(f"Build {file} for musl, or run the program on a system with glibc: a symbolic link is not enough."),
        ]
    defined = lack.fact.data.get("defined_in")
    there = dict(defined) if isinstance(defined, dict) else {}
    holder = next((str(there[symbol]) for symbol in lack.symbols if symbol in there), None)
    if holder is not None:
        flag = _flag(holder)
        how = f"`#cgo LDFLAGS: {flag}`" if "go" in lack.file.data else f"gcc -shared ... {flag}"
        preload = fixes.rerun(trace, None, {"LD_PRELOAD": holder})
        return [
            Fix(f"Link {file} with {name_of(holder)}, which has it: {how}."),
            Fix("Or, for a try, have that library loaded before all others.", preload),
        ]
    wanted = f"Link {file} with the library that defines {lack.symbols[0]}, or bring the release of it that has it."
    tells = (
        f"`ldd -r {lack.file.subject}` tells of what is undefined; with -Wl,-z,defs the link of a library fails by it."
    )
    return [Fix(wanted), Fix(tells)]


def _flag(path: str) -> str:
    return "-l" + name_of(path).removeprefix("lib").partition(".so")[0]
