"""Which fatal signal ended a program, and what it means."""

from __future__ import annotations

import pytest

from gotrace.events.model import Dlsym, Exec, Exit, Frame, KnownEvent, Library, Output, Signal
from gotrace.events.recording import Header
from gotrace.trace.builder import build
from gotrace.trace.crash import Crash, Meaning, crashes

PROGRAM = Library(ts_ns=2, pid=7, path="/src/app", base=0x400000, size=0x100000)
LAZY = Library(ts_ns=3, pid=7, path="/src/liblazy.so", base=0x7F0000001000, size=0x1000, offset=0x1000)
GO_SAYS = Output(ts_ns=30, pid=7, text="SIGSEGV: segmentation violation\n")


def crashed(*events: KnownEvent, end: Exit | None = None, header: Header | None = None) -> list[Crash]:
    """The crashes of a program that did this."""
    start = Exec(ts_ns=1, pid=7, path="/src/app", argv=("./app",), env={}, cwd="/src")
    end = end or Exit(ts_ns=99, pid=7, status=2)
    return crashes(build(header or Header(argv=("./app",)), [start, PROGRAM, LAZY, *events, end]))


def fault(ip: int = 0x401000, address: int = 0, **more: object) -> Signal:
    """A SIGSEGV that Go catches."""
    values: dict[str, object] = {"ts_ns": 20, "tid": 8, "signal": 11, "code": 1, "handled": True, "sp": 0x7FFC00000000}
    return Signal(pid=7, ip=ip, address=address, **(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("signal", "meaning"),
    [
        (fault(ip=0, access="execute"), Meaning.NULL_CALL),
        (fault(ip=0, address=0), Meaning.NULL_CALL),
        (fault(ip=0x1046, address=0x1046), Meaning.UNRELOCATED_CALL),
        (fault(ip=0x12345678000, address=0x12345678000), Meaning.WILD_CALL),
        (fault(address=0x28, access="read"), Meaning.NULL_ACCESS),
        (fault(address=0x7FFBFFFFFFF8, code=2, access="write"), Meaning.STACK_OVERFLOW),
        (fault(address=0x400010, code=2, access="write"), Meaning.NOT_PERMITTED),
        (fault(address=0xDEADBEEF000), Meaning.UNMAPPED),
        (fault(signal=7, code=2, address=0x7F0000003000), Meaning.BUS_ERROR),
        (fault(signal=4, code=2), Meaning.ILLEGAL_INSTRUCTION),
        (fault(signal=8, code=1), Meaning.ARITHMETIC),
        (fault(signal=6, code=-6, sender=7), Meaning.ABORT),
        (fault(signal=11, code=0, sender=99), Meaning.SENT),
        (fault(signal=31, code=1), Meaning.BAD_SYSTEM_CALL),
    ],
)
def test_what_a_fault_means(signal: Signal, meaning: Meaning) -> None:
    assert [crash.meaning for crash in crashed(signal, GO_SAYS)] == [meaning]


def test_an_unrelocated_address_is_one_of_the_callers_library() -> None:
    other = Library(ts_ns=4, pid=7, path="/src/libother.so", base=0x7F0000101000, size=0x1000, offset=0x1000)
    caller = (Frame(ip=0x1046), Frame(ip=0x7F0000001146, module="/src/liblazy.so"))
    (crash,) = crashed(other, fault(ip=0x1046, address=0x1046, stack=caller), GO_SAYS)
    assert crash.library == LAZY


def test_a_signal_that_go_recovered_from_is_no_crash() -> None:
    assert crashed(fault(), end=Exit(ts_ns=99, pid=7, status=0)) == []
    assert crashed(fault(), end=Exit(ts_ns=99, pid=7, status=1)) == []


def test_a_program_that_recovered_and_exits_with_2_by_itself_has_not_crashed() -> None:
    assert crashed(fault()) == []
    assert crashed(Output(ts_ns=5, pid=7, text="SIGSEGV: before\n"), fault()) == []


def test_where_nobody_heard_what_go_says_the_end_right_afterwards_tells() -> None:
    deaf, hears = Header(attached=7, observes=("signals",)), Header(attached=7, observes=("signals", "stderr_text"))
    later = Exit(ts_ns=20 + 10**10, pid=7, status=2)
    assert [crash.meaning for crash in crashed(fault(ip=0), header=deaf)] == [Meaning.NULL_CALL]
    assert crashed(fault(ip=0), header=deaf, end=later) == []
    assert crashed(fault(ip=0), header=hears) == []


def test_a_program_that_is_killed_by_it() -> None:
    (crash,) = crashed(fault(handled=False), end=Exit(ts_ns=99, pid=7, signal=11, core=True))
    assert crash.signal.signal == 11


def test_go_raising_again_what_it_caught_is_the_same_crash() -> None:
    raised = fault(ts_ns=25, handled=False, code=-6, sender=7)
    (crash,) = crashed(fault(ip=0), raised, end=Exit(ts_ns=99, pid=7, signal=11))
    assert (crash.signal.ts_ns, crash.meaning) == (20, Meaning.NULL_CALL)


def test_what_the_thread_asked_the_loader_right_before() -> None:
    other = Dlsym(ts_ns=10, pid=7, tid=9, symbol="other", handle=1, address=0)
    own = Dlsym(ts_ns=11, pid=7, tid=8, symbol="SSL_library_init", handle=1, address=0)
    later = Dlsym(ts_ns=21, pid=7, tid=8, symbol="later", handle=1, address=0)
    (crash,) = crashed(other, own, later, fault(ip=0), GO_SAYS)
    assert [event.symbol for event in crash.linking if isinstance(event, Dlsym)] == ["SSL_library_init"]
