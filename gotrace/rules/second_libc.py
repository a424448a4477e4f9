"""A second C library in the process of a static program that has one inside: who brought it in, and what for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gotrace.rules import libcs
from gotrace.rules.loaded_files import files, flavour, name_of
from gotrace.trace.crash import Crash, Meaning
from gotrace.trace.model import Span, Trace

_NAME_SERVICE: Final = "libnss_"
_EARLY: Final = "_dl_call_libc_early_init: Assertion"
"""What glibc says of a second libc.so.6 that is of another release."""
_LOADS: Final = ("_dl_", "dl_open", "dlopen", "__dlopen", "__libc_dlopen", "__nss_", "nss_", "__libc_early_init")
"""Beginnings of names of glibc's functions that load libraries, or call those of name services."""


def brought_in(trace: Trace, span: Span) -> Iterator[str]:
    """The paths of the libraries that a static program loaded, without glibc's own."""
    known = files(trace, span)
    for path, fact in known.mapped.items():
        if fact is not known.program and not flavour(fact, "is"):
            yield path


def name_services(span: Span) -> list[str]:
    """Names of the libraries that look up hosts and users, those that were looked for, then those that came in."""
    missed = [name_of(call.paths[0]) for call in span.errors if call.paths]
    came_in = [name_of(library.path) for library in span.libraries]
    return [name for name in dict.fromkeys((*missed, *came_in)) if name.startswith(_NAME_SERVICE)]


def called(trace: Trace, span: Span, name: str) -> str:
    """How a program asks for a library that came in: libnss_hesiod.so.2 for libnss_hesiod-2.31.so."""
    found = (fact for path, fact in files(trace, span).mapped.items() if name_of(path) == name)
    return str(next((fact.data["soname"] for fact in found if fact.data.get("soname")), name))


def loaded_by_itself(trace: Trace, crash: Crash) -> bool:
    """A static program brought libraries in, and crashed in them or in what loads them."""
    program = crash.span.libraries[0].path if crash.span.libraries else ""
    others = {library.path for library in crash.span.libraries if library.path != program}
    if crash.meaning is Meaning.ABORT and _EARLY in crash.span.stderr and others:
        return True  # told by words where the program has no symbols
    for frame in crash.stack:
        if frame.origin == "go":
            return False
        if frame.module in others and not frame.module.startswith("["):
            return any(True for _ in brought_in(trace, crash.span)) or bool(name_services(crash.span))
        if frame.symbol.startswith(_LOADS):
            return True
    return False


def named(trace: Trace, span: Span) -> str:
    """ "libc.so.6 of glibc 2.36": the second one; what is known of it."""
    known = files(trace, span)
    libc = libcs.libc(known)
    if libc is None:
        return "libc.so.6"
    return f"{called(trace, span, name_of(libc.subject))} of {libcs.named(known)}"
