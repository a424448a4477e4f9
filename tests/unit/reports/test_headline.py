"""The first line on a program that crashed, panicked, or lost its reader; and the exit code of attach after it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gotrace.cli.attaching import exit_code
from gotrace.events.errno import NUMBERS
from gotrace.events.model import Exec, Exit, Fact, Fork, Frame, KnownEvent, Lost, Output, Signal, SyscallError
from gotrace.events.recording import Header
from gotrace.reports.verdict import verdict
from gotrace.rules.finding import Diagnosis, Finding, Severity
from gotrace.trace.builder import build
from gotrace.trace.model import Trace

LIBC, APP = "/lib/x86_64-linux-gnu/libc.so.6", "/src/app"


def frame(symbol: str, origin: str, module: str = APP) -> Frame:
    return Frame(ip=0x401208, module=module, address=0x1208, symbol=symbol, distance=8, origin=origin)


DEREF = frame("deref", "c", "/lib/libx.so")
WITH_LINE = replace(frame("main.work", "go"), file="/src/work.go", line=27)
GO_SIDE = (frame("runtime.cgocall", "go"), frame("main._Cfunc_deref", "go"), frame("main.work", "go"))


def trace(*events: KnownEvent, status: int | None = 2, signal: int | None = None, attached: int = 0) -> Trace:
    started = Exec(ts_ns=1, pid=7, path=APP, argv=("./app",), env={}, cwd="/src")
    end = Exit(ts_ns=14_000_000, pid=7, status=status, signal=signal)
    over = [] if status is None and signal is None else [end]
    facts = {"pid": 7, "exit": status, "signal": signal, "seconds": 0.1, "user": "ada"}
    fact = Fact(ts_ns=15_000_000, pid=7, name="command", data=facts)
    header = Header(argv=("./app",), observes=("execs", "failed_paths", "signals", "stderr_text"), running=True)
    header.attached = attached
    return build(header, [started, *events, *over, fact])


def crash(*stack: Frame, handled: bool = True, pid: int = 7, **fields: Any) -> Signal:
    given = {"signal": 11, "code": 1, "ip": 0x401208, "access": "read", **fields}
    return Signal(ts_ns=12_000_000, pid=pid, tid=pid, handled=handled, stack=stack, **given)


def said(text: str) -> Output:
    return Output(ts_ns=13_000_000, pid=7, text=text)


def first_line(made: Trace) -> str:
    return verdict(made, Diagnosis())


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ((DEREF, *GO_SIDE), "in C function deref (libx.so), called by main.work"),
        ((frame("strlen", "libc", LIBC), DEREF), "in strlen (libc.so.6), called by C function deref (libx.so)"),
        ((frame("", "libc", LIBC), DEREF), "in libc.so.6, called by C function deref (libx.so)"),
        ((frame("_cgo_b6b36f7cbe6a_Cfunc_call", "c"), *GO_SIDE), "in C.call (app), called by main.work"),
        ((frame("main.work", "go"),), "in Go function main.work"),
        ((DEREF, WITH_LINE), "in C function deref (libx.so), called by main.work (work.go:27)"),
        ((WITH_LINE,), "in Go function main.work (work.go:27)"),
    ],
)
def test_a_crash_and_where_it_was(stack: tuple[Frame, ...], place: str) -> None:
    made = trace(crash(*stack), said("SIGSEGV: segmentation violation\n"))
    told = f"gotrace: app crashed: SIGSEGV, a NULL pointer was dereferenced, {place}: 1 process, "
    assert first_line(made).startswith(told)


def test_a_call_through_null_is_told_by_its_caller() -> None:
    made = trace(crash(Frame(ip=0), DEREF, ip=0, access="execute"), said("SIGSEGV: segmentation violation\n"))
    told = "app crashed: SIGSEGV, a function was called through a NULL pointer, called by C function deref (libx.so): "
    assert first_line(made).startswith(f"gotrace: {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("panic: my words\n\ngoroutine 1 [running]:\n", "app panicked: my words: "),
        ("fatal error: stack overflow\n", "app was ended by Go's runtime: stack overflow: "),
        ("panic: at first\npanic: at last\n", "app panicked: at last: "),
    ],
)
def test_what_go_says_of_a_panic(text: str, told: str) -> None:
    assert first_line(trace(said(text))).startswith(f"gotrace: {told}")


def test_a_panic_that_began_as_a_signal_has_its_place() -> None:
    text = "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: ...]\n"
    told = "app panicked: runtime error: invalid memory address or nil pointer dereference, in Go function main.work: "
    assert first_line(trace(crash(frame("main.work", "go")), said(text))).startswith(f"gotrace: {told}")


def test_a_fatal_error_that_only_says_that_there_was_a_signal_is_a_crash() -> None:
    text = "fatal error: unexpected signal during runtime execution\n[signal SIGSEGV: ...]\n"
    assert "app crashed: SIGSEGV" in first_line(trace(crash(DEREF), said(text)))


def test_words_of_a_panic_are_no_end_where_the_program_went_on() -> None:
    made = trace(said("panic: recovered, and logged\n"), status=1)
    assert first_line(made).startswith("gotrace: no known problem found, though the command ended with exit status 1")


@pytest.mark.parametrize(
    ("calls", "reader"),
    [
        ((1,), "the reader of its standard output"),
        ((2,), "the reader of its standard error"),
        ((), "the reader of a pipe that it wrote to"),
    ],
)
def test_a_writer_without_a_reader(calls: tuple[int, ...], reader: str) -> None:
    epipe = [
        SyscallError(ts_ns=5, pid=7, tid=7, syscall="write", errno=NUMBERS["EPIPE"], args=(one, 0, 2)) for one in calls
    ]
    made = trace(*epipe, status=None, signal=13)
    assert first_line(made).startswith(f"gotrace: {reader} went away (SIGPIPE), which ended app: ")


def test_a_signal_that_somebody_sent_is_no_crash() -> None:
    made = trace(crash(signal=9, code=0, handled=False, sender=99), status=None, signal=9)
    assert first_line(made).startswith("gotrace: app was ended by SIGKILL, which process 99 sent: ")


def below() -> list[KnownEvent]:
    """A child that crashes."""
    return [
        Fork(ts_ns=2, pid=7, child_pid=8),
        Exec(ts_ns=3, pid=8, path="/src/part", argv=("part",), env={}, cwd="/src"),
        crash(DEREF, pid=8, handled=False),
        Exit(ts_ns=12_500_000, pid=8, signal=11),
    ]


def test_a_crash_below_makes_the_command_fail() -> None:
    told = "part crashed: SIGSEGV, a NULL pointer was dereferenced, in C function deref (libx.so)"
    assert first_line(trace(*below(), status=4)).startswith(f"gotrace: {told}; the command ended with exit status 4: ")
    assert first_line(trace(*below(), status=0)).startswith("gotrace: no problem found: ")


def test_attached_a_crash_below_is_told_while_the_program_runs_on() -> None:
    made = trace(*below(), status=None, attached=7)
    assert "part crashed: SIGSEGV" in first_line(made)
    assert "; process 7 runs on: " in first_line(made)
    assert exit_code(made, Diagnosis()) == 1


@pytest.mark.parametrize(
    ("status", "signal", "code"), [(0, None, 0), (None, None, 0), (2, None, 1), (None, 9, 1), (None, 15, 1)]
)
def test_the_exit_code_of_attach_is_not_0_where_the_program_failed(
    status: int | None, signal: int | None, code: int
) -> None:
    assert exit_code(trace(status=status, signal=signal, attached=7), Diagnosis()) == code


def test_the_exit_code_of_attach_after_findings_and_after_losses() -> None:
    made = trace(status=None, attached=7)
    assert exit_code(made, Diagnosis([Finding("GT404", "x", Severity.WARNING, "y", None, [], [])])) == 1
    made.lost.append(Lost(ts_ns=5, pid=0, what="syscall_error", count=3, reason="the buffer was full"))
    assert exit_code(made, Diagnosis()) == 0
    killed = Lost(ts_ns=5, pid=0, what="unknown", count=1, reason="the tracer was killed", since_ns=4, exact=False)
    made.lost.append(killed)
    assert exit_code(made, Diagnosis()) == 2


def test_a_writer_within_a_pipeline_without_a_reader_is_nothing_to_tell() -> None:
    writer: list[KnownEvent] = [
        Fork(ts_ns=2, pid=7, child_pid=8),
        Exec(ts_ns=3, pid=8, path="/usr/bin/yes", argv=("yes",), env={}, cwd="/src"),
        Exit(ts_ns=9, pid=8, signal=13),
    ]
    assert first_line(trace(*writer)).startswith("gotrace: no known problem found, though the command ended with")
    assert "which ended yes" in first_line(trace(*writer, status=141))
