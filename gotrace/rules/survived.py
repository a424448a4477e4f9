"""What speaks against a program having ended by a failing call: it was ended from outside, or it went on.

That a later call succeeded is seen by nobody, so a program that finds another way is known by other things: by the time
that it lived on, by what it did afterwards, by what it said in the end. Where nothing speaks, the call counts.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from gotrace.events.errno import ERRORS, errno_numbers
from gotrace.events.model import Dlopen, SyscallError
from gotrace.events.signals import signal_name
from gotrace.trace.failing import is_harmless
from gotrace.trace.model import Span

AT_ONCE_NS: Final = 100_000_000
"""Who gives up for a call does so within this: in recordings of programs that did it was 7 ms at most."""
_TOLD_NS: Final = 1_000_000_000
"""And who says at its end which error it was may have tried again before."""
_FROM_OUTSIDE: Final = frozenset({"SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGPIPE", "SIGALRM", "SIGTERM"})
"""Programs are ended by these; few end themselves by them."""
_ANOTHER_CAUSE: Final = errno_numbers(
    "ENOENT", "ENOTDIR", "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EADDRINUSE", "EADDRNOTAVAIL"
)
_ASKS: Final = frozenset({"open", "openat", "openat2", "stat", "newfstatat", "statx", "connect", "bind"})
"""Calls by which a program wants something that it then does without or ends by. Not unlink(2): so it cleans up."""


def ended_from_outside(span: Span) -> bool:
    """A signal ended it that others send."""
    number = span.exit.signal if span.exit is not None else None
    return number is not None and signal_name(number) in _FROM_OUTSIDE


def ended_at_once(span: Span, call: SyscallError) -> bool:
    """It ended so soon after the call, or after it said on stderr which error it was, that it was by that."""
    if span.end_ns is None:
        return True
    if span.end_ns - call.ts_ns < AT_ONCE_NS:
        return True
    told = _last_told(span, call)
    return told is not None and span.end_ns - told < AT_ONCE_NS and told - call.ts_ns < _TOLD_NS


def went_on(span: Span, call: SyscallError) -> bool:
    """After the call it started a program, opened a library, or wanted something else and did not get it."""
    if _last_told(span, call) is not None:
        return False
    if any(child.start_ns > call.ts_ns for child in span.children if child.process is not span.process):
        return True
    if any(isinstance(one, Dlopen) and one.handle and one.began_ns > call.ts_ns for one in span.linking):
        return True
    return _names_another(span, call) or _was_refused_another(span, call)


def consequence(later_ns: int, *, at_once: bool) -> str:
    """What became of a program after a refusal, for a sentence."""
    return "it gave up" if at_once else f"it ended {later_ns / 1e9:.1f} s later"


def _was_refused_another(span: Span, call: SyscallError) -> bool:
    """The last thing that this thread asked for was another one, and not there; a name looked for twice is a search."""
    after = [one for one in span.errors if one.ts_ns > call.ts_ns and one.tid == call.tid and not is_harmless(one)]
    if any(one.ts_ns > call.ts_ns and one.tid == call.tid for one in span.failed_execs):
        return True
    if not after or after[-1].syscall not in _ASKS or after[-1].errno not in _ANOTHER_CAUSE:
        return False
    name = _name(after[-1])
    return not name or sum(_name(one) == name for one in (call, *after)) == 1


def _name(call: SyscallError) -> str:
    return call.paths[0].rpartition("/")[2] if call.paths else ""


def _last_told(span: Span, call: SyscallError) -> int | None:
    """When it last said, after the call, what this error means (`permission denied`)."""
    text = ERRORS.get(call.errno, ("", ""))[1].lower()
    times = [one.ts_ns for one in span.output if text and one.ts_ns >= call.ts_ns and text in one.text.lower()]
    return times[-1] if times else None


def _names_another(span: Span, call: SyscallError) -> bool:
    """It said what another error means, and nothing of this one or of its file."""
    name = _name(call)
    said = [one.text for one in span.output if one.ts_ns >= call.ts_ns]
    return any(_texts().search(text) and not (name and name in text) for text in said)


@cache
def _texts() -> re.Pattern[str]:
    """The texts of all errors that mean something to whoever reads them."""
    texts = (re.escape(text) for name, text in ERRORS.values() if len(text.split()) > 1 and name != "ENOTTY")
    return re.compile("|".join(texts), re.IGNORECASE)
