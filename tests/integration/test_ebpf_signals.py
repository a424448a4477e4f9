"""Signals that end a program: what the source tells of them, compared with a program whose faults are known."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gotrace.events.model import Signal, SyscallError
from gotrace.sources.base import Moment
from tests.integration.observing import Observed, observe
from tests.integration.running import follow

PROGRAMS = Path(__file__).parent / "programs"
SEGV_MAPERR, FPE_INTDIV, ILL_ILLOPN, BUS_ADRERR, SI_KERNEL, SI_USER, SI_TKILL = 1, 1, 2, 2, 0x80, 0, -6


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("programs") / "crashing"
    options = [
        "-O1",
        "-fno-omit-frame-pointer",
        "-mno-omit-leaf-frame-pointer",
        "-fno-optimize-sibling-calls",
        "-no-pie",
        "-pthread",
    ]
    subprocess.run(["gcc", *options, "-o", program, PROGRAMS / "crashing.c"], check=True)
    return program


@pytest.fixture(scope="module")
def functions(crashing: Path) -> dict[str, range]:
    """Addresses of the program's own functions."""
    table = subprocess.run(["nm", "-S", crashing], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {
        row[3]: range(int(row[0], 16), int(row[0], 16) + int(row[1], 16))
        for row in rows
        if len(row) == 4 and row[2] in "Tt"
    }


def named(ips: Iterator[int], functions: dict[str, range]) -> list[str]:
    """The program's functions that hold these addresses, in order; a return address may be just behind its function."""
    return [name for ip in ips for name, where in functions.items() if ip - 1 in where]


def one_signal(seen: Observed) -> Signal:
    [event] = [e for e in seen.events if isinstance(e, Signal)]
    return event


@pytest.mark.parametrize(
    ("how", "number", "code", "address", "access"),
    [
        ("write", signal.SIGSEGV, SEGV_MAPERR, 0x1234, "write"),
        ("read", signal.SIGSEGV, SEGV_MAPERR, 0x5678, "read"),
        ("null-call", signal.SIGSEGV, SEGV_MAPERR, 0, "execute"),
        ("illegal", signal.SIGILL, ILL_ILLOPN, None, ""),
        ("divide", signal.SIGFPE, FPE_INTDIV, None, ""),
        ("breakpoint", signal.SIGTRAP, SI_KERNEL, 0, ""),
        ("bus", signal.SIGBUS, BUS_ADRERR, None, "read"),
    ],
)
def test_a_fault_is_told_with_its_place_and_kind(
    crashing: Path, functions: dict[str, range], how: str, number: int, code: int, address: int | None, access: str
) -> None:
    seen = follow([str(crashing), how])

    event = one_signal(seen)
    assert seen.wait_status & 0x7F == number
    assert (event.signal, event.code, event.access, event.handled, event.sender) == (number, code, access, False, 0)
    if number in (signal.SIGILL, signal.SIGFPE):
        assert event.address == event.ip  # sigaction(2): the faulting instruction
    elif address is not None:
        assert event.address == address
    if how == "null-call":
        assert (event.ip, event.instruction) == (0, "")
    else:
        assert event.ip - (how == "breakpoint") in functions["inner"]
        offset = event.ip - 0x400000  # where a program that is not position-independent begins
        assert event.instruction == crashing.read_bytes()[offset : offset + 16].hex()
    assert event.stack[0].ip == event.ip
    assert named((frame.ip for frame in event.stack[1:]), functions)[-2:] == ["outer", "main"]
    assert seen.lost == []


def test_the_moment_has_registers_and_stack_of_the_fault(crashing: Path, functions: dict[str, range]) -> None:
    seen = follow([str(crashing), "null-call"])

    event, at = one_signal(seen), seen.events.index(one_signal(seen))
    moment = seen.events[at + 1]
    assert isinstance(moment, Moment)
    assert (moment.ts_ns, moment.pid, moment.tid) == (event.ts_ns, event.pid, event.tid)
    assert (moment.registers["rip"], moment.registers["rsp"]) == (event.ip, event.sp)
    assert set(moment.registers) == {f"r{n}" for n in range(8, 16)} | {
        "rip", "rsp", "rbp", "rbx", "rax", "rcx", "rdx", "rsi", "rdi",
    }  # fmt: skip
    assert moment.registers["rdi"] == 1  # the argument of the call of nothing
    words = struct.unpack(f"<{len(moment.memory) // 8}Q", moment.memory[: len(moment.memory) & ~7])
    assert words[0] - 1 in functions["inner"]  # its return address
    assert named(iter(words[:32]), functions)[:3] == ["inner", "outer", "main"]


def test_stack_memory_is_read_to_the_end_of_its_mapping_and_no_further(crashing: Path) -> None:
    main, thread = follow([str(crashing), "write"]), follow([str(crashing), "write", "thread"])

    [of_main] = [e for e in main.events if isinstance(e, Moment)]
    [of_thread] = [e for e in thread.events if isinstance(e, Moment)]
    assert len(of_thread.memory) <= 8192
    for moment in (of_main, of_thread):
        whole = len(moment.memory) > 8192 - 512
        assert whole or (moment.registers["rsp"] + len(moment.memory)) % 4096 == 0
    assert one_signal(thread).tid != thread.pid


def test_a_signal_that_the_program_sends_itself(crashing: Path) -> None:
    seen = follow([str(crashing), "abort"])

    event = one_signal(seen)
    assert (event.signal, event.code, event.sender, event.address) == (signal.SIGABRT, SI_TKILL, seen.pid, 0)


def test_a_signal_from_another_process_names_it(crashing: Path) -> None:
    script = f"{crashing} wait & sleep 0.2; kill -BUS $!; wait $!"

    seen = follow(["/bin/sh", "-c", script])

    event = one_signal(seen)
    assert (event.signal, event.code, event.sender) == (signal.SIGBUS, SI_USER, seen.pid)
    assert event.pid != seen.pid


def test_a_signal_that_the_program_catches_says_so(crashing: Path) -> None:
    seen = follow([str(crashing), "write", "caught"])

    assert seen.wait_status >> 8 == 2
    assert (one_signal(seen).handled, one_signal(seen).access) == (True, "write")


def test_a_signal_that_the_program_ignores_is_none(crashing: Path) -> None:
    seen = follow([str(crashing), "nothing", "ignored"])

    assert [e for e in seen.events if isinstance(e, Signal)] == []


def test_a_failing_call_has_the_chain_of_its_callers(crashing: Path, functions: dict[str, range]) -> None:
    seen = follow([str(crashing), "fail"])

    [event] = [e for e in seen.errors("close") if e.args[0] == 12345]
    assert event.stack[0].ip == event.ip
    assert named((frame.ip for frame in event.stack), functions) == ["failing", "calls_failing", "main"]
    assert len(event.stack) <= 12
    assert [e for e in seen.events if isinstance(e, SyscallError) and not e.stack] == []


GO = """package main

/*
static int inner(int (*f)(int)) { return f(1) + 1; }
static int outer(int (*f)(int)) { return inner(f) + 2; }
static int shaken(int depth, int (*f)(int)) {
	volatile char room[512];
	room[0] = 1;
	return (depth ? shaken(depth - 1, f) : f(room[0])) + room[0];
}
*/
import "C"

import "os"

//go:noinline
func level2() {
	if len(os.Args) > 1 {
		C.shaken(10, nil)
	}
	C.outer(nil)
}

//go:noinline
func level1() { level2() }

func main() { level1() }
"""


@pytest.fixture(scope="module")
def go_program(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Path:
    """A program of Go that has a null pointer called in C."""
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    settings = {"GOCACHE": str(warm_cache), "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOENV": "off"}
    command = [tool("go"), "build", "-o", "app", "main.go"]
    subprocess.run(command, cwd=folder, env=os.environ | settings, check=True)
    return folder / "app"


@pytest.mark.parametrize("deep", [False, True], ids=["near", "deep"])
def test_c_code_that_go_called_has_the_callers_in_go(go_program: Path, deep: bool) -> None:
    """Go catches SIGSEGV and exits with status 2. gcc may use rbp as it likes, so no frame pointer leads there."""
    seen = follow([str(go_program), *(["deep"] if deep else [])])

    event = one_signal(seen)
    assert seen.wait_status >> 8 == 2
    assert (event.signal, event.handled, event.ip, event.access) == (signal.SIGSEGV, True, 0, "execute")
    table = subprocess.run(["nm", go_program], check=True, capture_output=True, text=True).stdout
    starts = sorted((int(row[0], 16), row[2]) for row in map(str.split, table.splitlines()) if row[-2] in "Tt")
    names = [max(start for start in starts if start[0] < frame.ip)[1] for frame in event.stack if frame.ip > 0x400000]
    of_go = names[names.index("runtime.cgocall") :]
    assert of_go[1].startswith("main._Cfunc_")
    assert of_go[2:] == ["main.level2", "main.level1", "main.main", "runtime.main", "runtime.goexit.abi0"]
    assert seen.lost == []


def test_nothing_of_it_is_told_of_a_build(crashing: Path) -> None:
    seen = observe([str(crashing), "write"])

    assert {type(e).__name__ for e in seen.events} <= {"Exec", "Exit", "SyscallError"}
    assert [e for e in seen.events if isinstance(e, SyscallError) and e.stack] == []
