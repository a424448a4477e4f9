"""GT301: a function that dlsym did not find was called."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files as resources
from typing import Any, ClassVar, Final, NamedTuple

from gotrace.events.facets import Facet
from gotrace.events.model import Dlsym, Library
from gotrace.events.running import RTLD_DEFAULT
from gotrace.rules import crashed, evidence, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import name_of
from gotrace.trace.crash import Crash, Meaning, crashes
from gotrace.trace.dynamic import Opening, error_of, library_of, openings
from gotrace.trace.model import Trace

_DATA: Final = "data/removed_functions.toml"
_STEM: Final = re.compile(r"(?P<stem>[^/]+?)(?:-[\w.]+)?\.so(?:\.[\w.]+)?")


_NEAR: Final = 256
"""Bytes from a call to the next, within a function that has both."""
_PSEUDO: Final = {
    "": "that library",
    "RTLD_DEFAULT": "the whole program",
    "RTLD_NEXT": "the libraries that come after the asking one",
}


class _Replacement(NamedTuple):
    release: str
    """OpenSSL 1.1.0."""
    function: str


class NullSymbolCalled(Rule):
    """A program called a function that dlsym(3) had not found: the address was NULL.

    What it detects
    ---------------
    A program ended by SIGSEGV with the instruction pointer in the first page (Go's runtime catches the signal, prints
    its traceback and exits with status 2), and before it had asked dlsym for a function that was not there: the answer
    was NULL. The finding is certain where the function that called NULL is the one that asked, and for one function
    only; otherwise it names what code of the same file had not found as the likely reason.

    Why it happens
    --------------
    A library of another release is loaded than the program was written for: OpenSSL has no SSL_library_init since
    1.1.0, for programs that are compiled with its headers it is a macro. Or the library was not loaded at all, because
    the answer of dlopen(3) was not checked either: dlsym looks in the whole program then. This has nothing to do with
    the C library; under glibc and musl the same happens.

    How to fix it
    -------------
    Check what dlopen and dlsym return, and have dlerror(3) say why it was NULL. Call what the library has instead, or
    link with it (`#cgo LDFLAGS: -lssl`), so that headers and linker tell at build time.

    References
    ----------
    - dlopen(3), dlsym(3)
    - https://docs.openssl.org/3.0/man3/OPENSSL_init_ssl/
    - https://github.com/openssl/openssl/blob/OpenSSL_1_1_0/CHANGES
    """

    code = "GT301"
    name = "null-symbol-called"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS, Facet.DL_CALLS})
    consequence_of = ("shared-library-not-found", "library-of-another-libc", "wrong-elf-file", "noexec-library")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such crash."""
        for crash in crashes(trace):
            if crash.meaning is Meaning.NULL_CALL and (asked := _asked(crash)):
                yield self._finding(crash, asked)

    def _finding(self, crash: Crash, asked: Sequence[Dlsym]) -> Finding:
        span, last = crash.span, asked[-1]
        opening = _opening(crash, last)
        events = [opening.call, opening.error] if opening is not None else []
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(crash, asked, opening),
            span=span,
            evidence=evidence.of(*events, *evidence.sample(asked), error_of(span, last), crash.signal, span.exit),
            fix=list(_fixes(crash, asked, opening)),
            confidence=1.0 if _certain(crash, asked) else 0.7,
            explains=frozenset({steps.span_key(span)}),
        )


def _asked(crash: Crash) -> list[Dlsym]:
    """What dlsym did not find, and may be what was called: what the caller asked for itself, or else its file did."""
    asked = [one for one in crash.span.linking if isinstance(one, Dlsym) and one.ts_ns <= crash.signal.ts_ns]
    found = {one.symbol for one in asked if one.address}
    missing = [one for one in asked if not one.address and one.symbol not in found]
    own = [one for one in missing if _by_who_asked(crash, one)]
    if own:
        return own
    caller = crashed.caller(crash)
    if caller is None:
        return missing[-1:] if len({one.symbol for one in missing}) == 1 else []
    return [one for one in missing if one.caller is not None and one.caller.module == caller.module]


def _by_who_asked(crash: Crash, asked: Dlsym) -> bool:
    """The function that called NULL is the one that had called dlsym.

    In a program without symbols, it called a little further on.
    """
    caller, asking = crashed.caller(crash), asked.caller
    if caller is None or asking is None or (caller.module, caller.symbol) != (asking.module, asking.symbol):
        return False
    return bool(caller.symbol) or 0 <= caller.address - asking.address < _NEAR


def _certain(crash: Crash, asked: Sequence[Dlsym]) -> bool:
    """There is but one that it can be."""
    return len({one.symbol for one in asked}) == 1 and _by_who_asked(crash, asked[-1])


def _opening(crash: Crash, asked: Dlsym) -> Opening | None:
    """The dlopen whose library was asked; one that failed right before, where the handle was NULL."""
    before = [one for one in openings(crash.span) if one.call.ts_ns <= asked.ts_ns]
    if asked.handle == RTLD_DEFAULT:
        latest = next((one for one in reversed(before) if one.call.tid == asked.tid), None)
        return latest if latest is not None and latest.failed and latest.call.filename else None
    return next((one for one in reversed(before) if one.call.handle == asked.handle), None)


def _message(crash: Crash, asked: Sequence[Dlsym], opening: Opening | None) -> str:
    last, names = asked[-1], list(dict.fromkeys(one.symbol for one in asked))
    by, what = crashed.by_whom(crash), listed(names)
    caller = f" ({by})" if by else ""
    instead = _replacement(last.symbol, opening)
    told = f" {instead.release} and later have {instead.function} instead." if instead is not None else ""
    if opening is not None and opening.failed and len(names) == 1:
        reason = f": {opening.reason}" if opening.reason else ""
        return (
            f"{crashed.program(crash)}{caller} called {what} at the address NULL: dlopen of {opening.call.filename} "
            f"had failed{reason}, and without a library dlsym found no {last.symbol}.{told}"
        )
    where = library_of(crash.span, last)
    where = _PSEUDO.get(where, where)
    if _certain(crash, asked):
        return (
            f"{crashed.program(crash)}{caller} called {what} at the address NULL: dlsym did not find it in {where}, "
            f"and the program did not check that.{told}"
        )
    return (
        f"{crashed.program(crash)}{caller} called a function at the address NULL; dlsym had not found {what} in "
        f"{where} before, and the program may not have checked that.{told}"
    )


def _fixes(crash: Crash, asked: Sequence[Dlsym], opening: Opening | None) -> Iterator[Fix]:
    last = asked[-1]
    instead = _replacement(last.symbol, opening)
    if opening is not None and opening.failed:
        yield Fix(f"Check what dlopen returns for {opening.call.filename}: where it is NULL, dlerror() says why.")
    if instead is not None:
        yield Fix(
            f"Look up {instead.function}, or compile with the library's headers, in which {last.symbol} is a macro for "
            "it."
        )
    yield Fix(f"Check what dlsym returns before it is called: NULL for {last.symbol} means that it is not there.")
    library = _file(crash, opening)
    if library is not None:
        yield Fix(f"See which functions {name_of(library.path)} has.", ("nm", "-D", "--defined-only", library.path))


def _file(crash: Crash, opening: Opening | None) -> Library | None:
    """The file that a dlopen brought in, or found there already."""
    if opening is None or opening.failed or not opening.call.filename:
        return None
    name = name_of(opening.call.filename)
    there = [one for one in crash.span.libraries if one.ts_ns <= opening.call.ts_ns]
    return next((one for one in there if name_of(one.path) == name), None)


def _replacement(symbol: str, opening: Opening | None) -> _Replacement | None:
    found = _STEM.fullmatch(name_of(opening.call.filename or "")) if opening is not None else None
    library: dict[str, Any] = _removed().get(found["stem"], {}) if found is not None else {}
    for release, functions in library.items():
        if isinstance(functions, dict) and symbol in functions:
            return _Replacement(f"{library['release']} {release}", functions[symbol])
    return None


@cache
def _removed() -> dict[str, Any]:
    return tomllib.loads(resources("gotrace.rules").joinpath(_DATA).read_text(encoding="utf-8"))
