"""Each dlopen with the reason of its failure, each dlsym with its library."""

from __future__ import annotations

from gotrace.events.model import Dlerror, Dlopen, Dlsym, Exec, KnownEvent, SyscallError
from gotrace.events.recording import Header
from gotrace.trace.builder import build
from gotrace.trace.dynamic import error_of, library_of, openings
from gotrace.trace.model import Span

MISSING = SyscallError(ts_ns=12, pid=7, tid=8, syscall="openat", errno=2, paths=("/lib/libx.so",))
OTHERS = SyscallError(ts_ns=13, pid=7, tid=9, syscall="openat", errno=2, paths=("/etc/other",))
FAILED = Dlopen(ts_ns=15, pid=7, tid=8, filename="libx.so", flags=2, handle=0, began_ns=10)
REASON = Dlerror(ts_ns=16, pid=7, tid=8, text="libx.so: cannot open shared object file")


def of(*events: KnownEvent) -> Span:
    """The image of a program that did this."""
    return build(Header(), [Exec(ts_ns=1, pid=7, path="/app", argv=("./app",)), *events]).spans[0]


def test_a_dlopen_that_failed_has_its_reason_and_the_places_it_looked_at() -> None:
    elsewhere = Dlerror(ts_ns=15, pid=7, tid=9, text="of another thread", seq=1)
    (opening,) = openings(of(MISSING, OTHERS, FAILED, elsewhere, REASON))
    assert (opening.failed, opening.error, opening.tried) == (True, REASON, (MISSING,))


def test_nobody_asked_for_the_reason() -> None:
    (first, second) = openings(of(FAILED, Dlopen(ts_ns=16, pid=7, tid=8, filename=None, flags=1, handle=4)))
    assert (first.error, second.error, second.failed) == (None, None, False)


def test_the_library_of_a_symbol() -> None:
    opened = Dlopen(ts_ns=3, pid=7, tid=8, filename="libssl.so.3", flags=1, handle=64)
    again = Dlopen(ts_ns=5, pid=7, tid=8, filename="liblater.so", flags=1, handle=64)
    asked = [Dlsym(ts_ns=4, pid=7, tid=8, symbol="f", handle=handle, address=0) for handle in (64, 0, 2**64 - 1, 9)]
    span = of(opened, *asked, again)
    assert [library_of(span, one) for one in asked] == ["libssl.so.3", "RTLD_DEFAULT", "RTLD_NEXT", ""]
    assert error_of(of(opened, asked[0], REASON), asked[0]) == REASON
