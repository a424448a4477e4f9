"""What a program asked of the loader at run time: each dlopen with the reason of its failure, each dlsym's library."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from gotrace.events.model import Dlerror, Dlopen, Dlsym, SyscallError
from gotrace.events.running import RTLD_DEFAULT, RTLD_NEXT, RTLD_NOLOAD
from gotrace.trace.model import Span

_AT_ONCE_NS: Final = 1_000_000_000
"""Who wants to know why a dlopen failed asks within that time."""
_WHEN: Final = attrgetter("ts_ns")


@dataclass(frozen=True, slots=True)
class Opening:
    """One dlopen."""

    call: Dlopen
    error: Dlerror | None
    """What dlerror told of its failure; None where it succeeded, or where the program did not ask."""
    tried: tuple[SyscallError, ...]
    """The failing calls of its thread meanwhile: the search path walked, and why each candidate was refused."""
    asked_elsewhere: Dlerror | None = None
    """The dlerror of another thread, which therefore returned NULL, where nobody asked in this one: the program wanted
    to know the reason, and was told none."""

    @property
    def failed(self) -> bool:
        """It returned NULL."""
        return not self.call.handle

    @property
    def reason(self) -> str:
        """The words of dlerror; empty where it told none."""
        return (self.error.text or "") if self.error is not None else ""


def openings(span: Span) -> list[Opening]:
    """Every dlopen of an image, in the order of their returns."""
    found = []
    for number, event in enumerate(span.linking):
        if isinstance(event, Dlopen):
            error = None if event.handle else _error_after(span, number)
            elsewhere = None if event.handle else _asked_elsewhere(span, number, event)
            found.append(Opening(event, error, _tried(span, event), elsewhere))
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


def error_of(span: Span, asked: Dlopen | Dlsym) -> Dlerror | None:
    """What dlerror told of a library that was not opened or a symbol that was not found, where the program asked."""
    return _error_after(span, span.linking.index(asked)) if is_null(asked) else None


def is_null(answered: Dlopen | Dlsym) -> bool:
    """It returned NULL: a failure, but for a symbol whose value is NULL."""
    return not (answered.handle if isinstance(answered, Dlopen) else answered.address)


def _error_after(span: Span, number: int) -> Dlerror | None:
    """The next question of the same thread, if it is one for the error: dlerror tells of the last failure only."""
    failed = span.linking[number]
    for event in span.linking[number + 1 :]:
        if event.tid == failed.tid:
            return event if isinstance(event, Dlerror) and event.text is not None else None
    return None


def _asked_elsewhere(span: Span, number: int, failed: Dlopen) -> Dlerror | None:
    """The first NULL that another thread got soon after, unless this one asks as its next call of the loader."""
    if failed.flags & RTLD_NOLOAD:
        return None  # it only asks whether the library is there: a no is no error
    asked = None
    for at, event in enumerate(span.linking[number + 1 :], number + 1):
        if event.tid == failed.tid:
            return None if isinstance(event, Dlerror) else asked
        if asked is None and isinstance(event, Dlerror) and event.text is None and _is_about(event, failed):
            asked = None if _clears(span, at) else event
    return asked


def _is_about(asked: Dlerror, failed: Dlopen) -> bool:
    """The same file's code asks, and at once."""
    files = {call.caller.module for call in (asked, failed) if call.caller is not None and call.caller.module}
    return len(files) <= 1 and asked.ts_ns - failed.ts_ns <= _AT_ONCE_NS


def _clears(span: Span, number: int) -> bool:
    """Its thread looks a symbol up next: then that dlerror had only to forget what was before, as dlsym(3) advises."""
    asked = span.linking[number]
    following = (event for event in span.linking[number + 1 :] if event.tid == asked.tid)
    return isinstance(next(following, None), Dlsym)


def _tried(span: Span, call: Dlopen) -> tuple[SyscallError, ...]:
    if not call.began_ns:
        return ()
    # They are in the order of time. A service may have opened a hundred libraries, and made a hundred thousand calls.
    begin = bisect_left(span.errors, call.began_ns, key=_WHEN)
    end = bisect_right(span.errors, call.ts_ns, begin, key=_WHEN)
    return tuple(one for one in span.errors[begin:end] if one.tid == call.tid and one.paths)
