"""Each dlopen with the reason of its failure, each dlsym with its library."""

from __future__ import annotations

import msgspec
import pytest

from gotrace.events.model import Dlerror, Dlopen, Dlsym, Exec, Frame, KnownEvent, SyscallError
from gotrace.events.recording import Header
from gotrace.events.running import RTLD_NOLOAD
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


def test_the_words_of_the_loader() -> None:
    told, untold = openings(of(FAILED, REASON)), openings(of(FAILED))
    assert (told[0].reason, untold[0].reason) == ("libx.so: cannot open shared object file", "")


IN_VAIN = Dlerror(ts_ns=17, pid=7, tid=9, text=None)
AGAIN = Dlopen(ts_ns=20, pid=7, tid=8, filename="liby.so", flags=2, handle=0)


@pytest.mark.parametrize(
    "later",
    [(), (AGAIN,), (Dlopen(ts_ns=18, pid=7, tid=9, filename="liby.so", flags=2, handle=0),)],
    ids=["nothing", "its thread opens another", "the other thread opens another"],
)
def test_the_reason_is_asked_on_another_thread(later: tuple[KnownEvent, ...]) -> None:
    opening = openings(of(FAILED, IN_VAIN, *later))[0]
    assert (opening.error, opening.reason, opening.asked_elsewhere) == (None, "", IN_VAIN)


BY = Frame(ip=1, module="/lib/libplugins.so")
OTHER = Frame(ip=2, module="/lib/libother.so")


@pytest.mark.parametrize(
    "events",
    [
        (FAILED, IN_VAIN, msgspec.structs.replace(REASON, ts_ns=18)),
        (FAILED, AGAIN, msgspec.structs.replace(IN_VAIN, ts_ns=21), msgspec.structs.replace(REASON, ts_ns=22)),
        (FAILED, msgspec.structs.replace(IN_VAIN, text="of its own failure")),
        (FAILED, msgspec.structs.replace(IN_VAIN, tid=8)),
        (FAILED, IN_VAIN, Dlsym(ts_ns=18, pid=7, tid=9, symbol="f", handle=4, address=5)),
        (FAILED, msgspec.structs.replace(IN_VAIN, ts_ns=FAILED.ts_ns + 2 * 10**9)),
        (msgspec.structs.replace(FAILED, flags=2 | RTLD_NOLOAD), IN_VAIN),
        (msgspec.structs.replace(FAILED, handle=4), IN_VAIN),
        (msgspec.structs.replace(FAILED, caller=BY), msgspec.structs.replace(IN_VAIN, caller=OTHER)),
    ],
    ids=[
        "its own thread asks as well", "only after its next call", "there was an error there", "on its own thread",
        "before a look-up", "long afterwards", "it was only a question", "it did not fail", "by another library",
    ],
)  # fmt: skip
def test_not_every_dlerror_of_another_thread_asks_for_the_reason(events: tuple[KnownEvent, ...]) -> None:
    assert openings(of(*events))[0].asked_elsewhere is None


def test_a_null_tells_no_reason() -> None:
    """A symbol may be there and have the value NULL: then there is no error."""
    nothing = Dlerror(ts_ns=18, pid=7, tid=8, text=None)
    asked = Dlsym(ts_ns=17, pid=7, tid=8, symbol="f", handle=4, address=0)
    assert openings(of(FAILED, nothing))[0].error is None
    assert error_of(of(asked, nothing), asked) is None


def test_the_library_of_a_symbol() -> None:
    opened = Dlopen(ts_ns=3, pid=7, tid=8, filename="libssl.so.3", flags=1, handle=64)
    again = Dlopen(ts_ns=5, pid=7, tid=8, filename="liblater.so", flags=1, handle=64)
    asked = [Dlsym(ts_ns=4, pid=7, tid=8, symbol="f", handle=handle, address=0) for handle in (64, 0, 2**64 - 1, 9)]
    span = of(opened, *asked, again)
    assert [library_of(span, one) for one in asked] == ["libssl.so.3", "RTLD_DEFAULT", "RTLD_NEXT", ""]
    assert error_of(of(opened, asked[0], REASON), asked[0]) == REASON
