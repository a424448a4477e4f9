"""What a program asked of the loader at run time: each dlopen with the reason of its failure, each dlsym's library."""

from __future__ import annotations

from dataclasses import dataclass

from gotrace.events.model import Dlerror, Dlopen, Dlsym, SyscallError
from gotrace.events.running import RTLD_DEFAULT, RTLD_NEXT
from gotrace.trace.model import Span


@dataclass(frozen=True, slots=True)
class Opening:
    """One dlopen."""

    call: Dlopen
    error: Dlerror | None
    """What dlerror told of its failure; None where it succeeded, or where the program did not ask."""
    tried: tuple[SyscallError, ...]
    """The failing calls of its thread meanwhile: the search path walked, and why each candidate was refused."""

    @property
    def failed(self) -> bool:
        """It returned NULL."""
        return not self.call.handle


def openings(span: Span) -> list[Opening]:
    """Every dlopen of an image, in the order of their returns."""
    found = []
    for number, event in enumerate(span.linking):
        if isinstance(event, Dlopen):
            error = None if event.handle else _error_after(span, number)
            found.append(Opening(event, error, _tried(span, event)))
    return found


def library_of(span: Span, asked: Dlsym) -> str:
    """Where a symbol was looked for: the name given to dlopen, RTLD_DEFAULT, RTLD_NEXT, or empty where unknown."""
    if asked.handle == RTLD_DEFAULT:
        return "RTLD_DEFAULT"
    if asked.handle == RTLD_NEXT:
        return "RTLD_NEXT"
    opened = None
    for event in span.linking:
        if event is asked:
            break
        if isinstance(event, Dlopen) and event.handle == asked.handle:
            opened = event
    if opened is None:
        return ""
    return "the program itself" if opened.filename is None else opened.filename


def error_of(span: Span, asked: Dlsym) -> Dlerror | None:
    """What dlerror told of a symbol that was not found, where the program asked."""
    return _error_after(span, span.linking.index(asked)) if not asked.address else None


def _error_after(span: Span, number: int) -> Dlerror | None:
    """The next question of the same thread, if it is one for the error: dlerror tells of the last failure only."""
    failed = span.linking[number]
    for event in span.linking[number + 1 :]:
        if event.tid == failed.tid:
            return event if isinstance(event, Dlerror) else None
    return None


def _tried(span: Span, call: Dlopen) -> tuple[SyscallError, ...]:
    if not call.began_ns:
        return ()
    return tuple(
        one for one in span.errors if one.tid == call.tid and call.began_ns <= one.ts_ns <= call.ts_ns and one.paths
    )
