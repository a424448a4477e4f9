"""Which system calls stop, and that a seccomp filter can tell which one it was."""

from __future__ import annotations

from gotrace.sources import syscalls
from gotrace.sources.ptrace.calls import (
    ABIS,
    MARKS,
    SERVED_CLOCKS,
    Kind,
    asks_the_vdso,
    births,
    by_mark,
    clock_reads,
    observed,
    of_programs,
)

EXECS = {"execve", "execveat"}
WRITES = {"write", "writev", "pwrite64"}


def test_a_mark_fits_the_16_bits_of_a_filter_and_is_one_calls_own() -> None:
    marks = [call.mark for call in (*observed(), *births())]
    assert max(marks) < MARKS <= 1 << 16
    assert len(set(marks)) == len(marks)
    assert all(by_mark()[call.mark] is call for call in observed())


def test_a_mark_says_abi_and_number() -> None:
    for call in observed():
        assert (call.mark >> 12, call.mark & 0xFFF) == (call.abi, call.number)
        assert syscalls.names()[ABIS[call.abi], call.number] == call.name


def test_every_call_with_a_path_stops_but_for_readlink() -> None:
    with_path = {(call.abi, call.name) for call in syscalls.table() if call.paths}
    stopping = {(ABIS[call.abi], call.name) for call in observed()}
    assert with_path - stopping == {(abi, name) for abi in ABIS for name in ("readlink", "readlinkat")}
    assert {name for _, name in stopping - with_path} == WRITES | {"ptrace"}


def test_kinds() -> None:
    by_kind = {kind: {call.name for call in (*observed(), *births()) if call.kind is kind} for kind in Kind}
    assert by_kind[Kind.EXEC] == EXECS
    assert by_kind[Kind.WRITE] == WRITES
    assert by_kind[Kind.CLONE] == {"clone"}
    assert by_kind[Kind.CLONE3] == {"clone3"}
    assert {"openat", "access", "ptrace"} <= by_kind[Kind.FAILURE]
    for name in (*EXECS, *WRITES, "clone", "clone3"):
        assert sorted(call.abi for call in (*observed(), *births()) if call.name == name) == [0, 1], name


def test_reads_of_the_clock_are_those_of_64_bit_programs_and_stop_for_nothing_else() -> None:
    assert {(ABIS[call.abi], call.name, call.kind) for call in clock_reads()} == {
        ("x86_64", name, Kind.CLOCK) for name in ("clock_gettime", "gettimeofday", "time")
    }
    others = {call.mark for call in (*observed(), *of_programs(), *births())}
    assert others.isdisjoint(call.mark for call in clock_reads())


def test_a_clock_that_the_vdso_does_not_serve_is_none_of_ours() -> None:
    served = {clock for clock in range(-10, 20) if asks_the_vdso("clock_gettime", clock & (1 << 64) - 1)}
    assert served == set(SERVED_CLOCKS)
    assert asks_the_vdso("clock_gettime", 0xDEAD_0000_0001)  # clockid_t is an int
    assert asks_the_vdso("gettimeofday", 0x7FFF_0000)
    assert asks_the_vdso("time", 2)


def test_an_exec_has_one_path_and_no_call_more_than_two() -> None:
    assert {len(call.paths) for call in observed() if call.kind is Kind.EXEC} == {1}
    assert all(len(call.paths) <= 2 and set(call.paths) <= set(range(1, 7)) for call in observed())


def test_frequent_calls_are_asked_for_first() -> None:
    abis = [call.abi for call in observed()]
    assert abis == sorted(abis)
    assert [call.name for call in observed() if call.abi == 0][:3] == ["newfstatat", "openat", "write"]
