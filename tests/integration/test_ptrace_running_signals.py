"""Signals that end programs, under ptrace: what is told at their delivery, and that they do as they would have done."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Dlsym, Library, Signal
from gotrace.sources.base import Moment
from tests.hostile.watched import Both, assert_harmless, both
from tests.integration.observing import Observed

PROGRAMS = Path(__file__).parent / "programs"
Compile = Callable[[str], str]
SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV = 4, 6, 7, 8, 11


@pytest.fixture(params=["compiled", "python"], autouse=True)
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the tracer's two loops runs."""
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", str(request.param))


@pytest.fixture(scope="module")
def crashes(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("crashes") / "crashes"
    subprocess.run(["gcc", "-O2", "-fcf-protection=none", "-o", path, PROGRAMS / "crashes.c"], check=True)
    return str(path)


@pytest.fixture(scope="module")
def cgo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Go program that calls what dlsym did not find, two C functions deep."""
    go, folder = shutil.which("go"), tmp_path_factory.mktemp("cgo")
    if go is None:
        pytest.skip("go is not installed; `make setup` installs it")
    subprocess.run([go, "build", "-o", folder / "null_call", PROGRAMS / "null_call.go"], check=True)
    return str(folder / "null_call")


def run(*argv: str) -> Both:
    return both(*argv, running=True)


def signals(seen: Observed) -> list[Signal]:
    return [event for event in seen.events if isinstance(event, Signal)]


def the_moment(seen: Observed) -> tuple[Signal, Moment]:
    """The only signal, and the registers and the stack that belong to it."""
    (signal,) = signals(seen)
    (moment,) = [event for event in seen.events if isinstance(event, Moment)]
    assert (signal.ts_ns, signal.pid, signal.tid) == (moment.ts_ns, moment.pid, moment.tid)
    assert (signal.ip, signal.sp) == (moment.registers["rip"], moment.registers["rsp"])
    return signal, moment


def test_a_use_of_what_was_not_found(crashes: str) -> None:
    """The faulting instruction is the very one that a call of dlsym comes back to: it shows as if we were not there."""
    done = run(crashes, "null")
    assert_harmless(done)
    assert done.traced.wait_status & 0x7F == SIGSEGV
    signal, moment = the_moment(done.seen)
    (call,) = [event for event in done.seen.events if isinstance(event, Dlsym)]
    assert call.caller is not None
    assert (signal.signal, signal.code, signal.address, signal.sender) == (SIGSEGV, 1, 0, 0)
    assert (signal.access, signal.handled) == ("", False)
    assert signal.ip == call.caller.ip
    program = next(event for event in done.seen.events if isinstance(event, Library) and event.path == crashes)
    assert (
        Path(crashes)
        .read_bytes()[signal.ip - program.base + program.offset :]
        .startswith(bytes.fromhex(signal.instruction))
    )
    assert len(signal.instruction) == 32
    assert moment.registers["rax"] == 0
    assert len(moment.memory) > 256
    assert [event.signal for event in done.seen.exits()] == [SIGSEGV]


@pytest.mark.parametrize(
    ("how", "number", "instruction", "lost"),
    [("uses", SIGSEGV, "8b00", 0), ("divides", SIGFPE, "f73d", 1)],
    ids=["mov (%rax), %eax", "idivl zero(%rip)"],
)
def test_a_fault_of_an_instruction_that_a_breakpoint_stands_on(
    how: str, number: int, instruction: str, lost: int, tmp_path: Path
) -> None:
    """Another thread will come back to it yet: it faults where it is executed in its stead, and that does not show.

    Where its address is part of the signal, it has to be executed in its place; then the other thread is not seen.
    """
    source, name, library = PROGRAMS / "crashes_beside.c", tmp_path / "crashes_beside", tmp_path / "libblocks.so"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", name, source], check=True)
    subprocess.run(["gcc", "-O2", "-DLIBRARY", "-shared", "-fPIC", "-o", library, source], check=True)
    done = run(str(name), str(library), how)
    assert done.traced == done.bare
    assert done.traced.wait_status & 0x7F == number
    assert sum(one.count for one in done.seen.lost) == lost
    signal, moment = the_moment(done.seen)
    assert (signal.signal, signal.code, signal.tid, moment.registers["rax"]) == (number, 1, done.seen.pid, 0)
    assert signal.address == (0 if number == SIGSEGV else signal.ip)
    program = next(event for event in done.seen.events if isinstance(event, Library) and event.path == str(name))
    assert program.base <= signal.ip < program.base + program.size
    code = name.read_bytes()[signal.ip - program.base + program.offset :]
    assert code.startswith(bytes.fromhex(signal.instruction))
    assert signal.instruction.startswith(instruction)


@pytest.mark.parametrize(
    ("how", "signal", "code", "sent"),
    [("abort", SIGABRT, -6, True), ("illegal", SIGILL, 2, False), ("sent", SIGBUS, 0, True)],
)
def test_other_ways_to_die(crashes: str, how: str, signal: int, code: int, sent: bool) -> None:
    done = run(crashes, how)
    assert_harmless(done)
    assert done.traced.wait_status & 0x7F == signal
    told, _ = the_moment(done.seen)
    assert (told.signal, told.code, told.handled, told.access) == (signal, code, False, "")
    assert told.sender == (done.seen.pid if sent else 0)
    assert told.address == (0 if sent else told.ip)
    assert told.instruction.startswith("0f0b") == (how == "illegal")


def test_an_ignored_signal_is_none(crashes: str) -> None:
    done = run(crashes, "ignored")
    assert_harmless(done)
    assert done.traced.wait_status >> 8 == 9
    assert signals(done.seen) == []


def test_a_null_call_in_c_that_go_catches(cgo: str) -> None:
    """Go says the same as ever; the frame pointers lead from C back to the Go functions that called it."""
    done = run(cgo)
    assert done.seen.lost == []
    assert done.traced.wait_status == done.bare.wait_status == 2 << 8
    assert done.traced.out == done.bare.out == "true true true\n"
    assert told_by_go(done.traced.err) == told_by_go(done.bare.err)
    signal, moment = the_moment(done.seen)
    assert (signal.signal, signal.code, signal.address, signal.ip) == (SIGSEGV, 1, 0, 0)
    assert (signal.access, signal.handled, signal.instruction) == ("execute", True, "")
    assert signal.stack[0].ip == 0
    asked = "".join(f"{frame.ip - 1:#x}\n" for frame in signal.stack[1:])
    names = subprocess.run(
        ["go", "tool", "addr2line", cgo], input=asked, capture_output=True, text=True, check=True
    ).stdout.split("\n")[::2]
    chain = ["runtime.cgocall", "main._Cfunc_call_it", "main.level2", "main.level1", "main.main", "runtime.main"]
    assert [name for name in names if name in chain] == chain
    returned_to = int.from_bytes(moment.memory[:8], "little")
    where = subprocess.run(
        ["addr2line", "-f", "-e", cgo, hex(returned_to - 1)], capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith("inner\n"), "what called it is on top of the stack"


def told_by_go(traceback: str) -> list[str]:
    """The first goroutine's part; addresses, and the thread that Go happened to take, are others in each run."""
    first = traceback.partition("\n\ngoroutine ")
    text = first[0] + first[2].partition("\n\n")[0]
    return re.sub(r"\bm=\d+", "m=", re.sub(r"0x[0-9a-f]+", "0x", text)).splitlines()


def test_a_go_program_that_recovers_all_the_time(tmp_path: Path) -> None:
    """A nil dereference is a SIGSEGV that Go turns into a panic: each is told, and each is recovered from."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed; `make setup` installs it")
    subprocess.run([go, "build", "-o", tmp_path / "recovers", PROGRAMS / "recovers.go"], check=True)
    done = run(str(tmp_path / "recovers"))
    assert_harmless(done)
    assert done.traced.wait_status == 0
    assert [(event.signal, event.handled) for event in signals(done.seen)] == [(SIGSEGV, True)] * 50
