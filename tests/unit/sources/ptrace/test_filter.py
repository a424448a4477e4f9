"""The seccomp filter: its program run by an interpreter of classic BPF, then installed for real."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Sequence
from itertools import product

import pytest

from gotrace.sources import syscalls
from gotrace.sources.ptrace.calls import (
    ABIS,
    CLONE_UNTRACED,
    MARKS,
    PR_SET_SECCOMP,
    SERVED_CLOCKS,
    SOCKET_ERROR,
    Kind,
    births,
    call_of,
    clock_reads,
    numbered,
    observed,
    of_programs,
)
from gotrace.sources.ptrace.filter import Filter, Instruction, program

ALLOW, TRACE = 0x7FFF0000, 0x7FF00000
ARCHITECTURES = {"x86_64": 0xC000003E, "i386": 0x40000003}
X32_BIT = 0x40000000
AT_EMPTY_PATH = 0x1000
FLAGS = {"newfstatat": 3, "fstatat64": 3, "statx": 2}
CLOCK_GETTIME = next(call.number for call in clock_reads() if call.name == "clock_gettime")
GETSOCKOPT = next(call.number for call in of_programs() if call.name == SOCKET_ERROR)
MOST_INSTRUCTIONS = 4096
"""BPF_MAXINSNS (<linux/bpf_common.h>)."""


def interpreted(code: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int] = ()) -> int:
    """What the kernel would make of a call (<linux/filter.h>; seccomp_check_filter allows these instructions)."""
    values = [*arguments, *[0] * 6][:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0x400000, *(value & (1 << 64) - 1 for value in values))
    accumulator, at = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                assert operand % 4 == 0
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x05:
                at += operand
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x44:
                accumulator |= operand
            case 0x06:
                return operand
            case 0x16:
                return accumulator
            case _:
                pytest.fail(f"no such instruction: {operation:#x}")


@pytest.fixture(params=[False, True], ids=["stderr", "stdout-too"])
def stdout(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("running", [False, True])
def test_it_is_a_program_that_the_kernel_takes(stdout: bool, running: bool) -> None:
    code = program(stdout=stdout, running=running)
    assert len(code) <= MOST_INSTRUCTIONS
    assert code[-1][0] == 0x06
    for at, (operation, if_true, if_false, operand) in enumerate(code):
        farthest = operand if operation == 0x05 else max(if_true, if_false)
        assert max(if_true, if_false) < 256
        assert at + 1 + farthest < len(code) or operation == 0x06


def test_every_number_stops_with_its_own_mark_or_passes(stdout: bool) -> None:
    code = program(stdout=stdout)
    for position, abi in enumerate(ABIS):
        marks = {call.number: TRACE | call.mark for call in observed() if call.abi == position}
        marks |= {call.number: TRACE | call.mark for call in births() if call.abi == position}
        flags = {call.number: 0 for call in births() if call.abi == position and call.kind is Kind.CLONE}
        for number in range(600):
            # To descriptor 2, three bytes; no flags that decide.
            arguments = (flags.get(number, 2), 0, 3, 0)
            expected = ALLOW if number in flags else marks.get(number, ALLOW)
            assert interpreted(code, ARCHITECTURES[abi], number, arguments) == expected, (abi, number)


def test_of_a_run_more_calls_stop_and_all_that_have_no_name(stdout: bool) -> None:
    code = program(stdout=stdout, running=True)
    for position, abi in enumerate(ABIS):
        stopping = (*observed(), *of_programs(), *births(), *clock_reads())
        marks = {call.number: TRACE | call.mark for call in stopping if call.abi == position}
        per_abi = MARKS // len(ABIS)
        marks |= {number: TRACE | position * per_abi | number for number in range(numbered()[position], per_abi)}
        prctl = next(call.number for call in of_programs() if call.abi == position and call.name == "prctl")
        if position == 0:
            del marks[CLOCK_GETTIME], marks[GETSOCKOPT]  # of another clock, and of another option
        for number in (*range(numbered()[position] + 200), per_abi - 1, per_abi, X32_BIT | 1):
            arguments = (PR_SET_SECCOMP if number == prctl else 2, 0, 3, 0)
            expected = marks.get(number, ALLOW)
            assert interpreted(code, ARCHITECTURES[abi], number, arguments) == expected, (abi, number)
        assert interpreted(code, ARCHITECTURES[abi], prctl, (4,)) == ALLOW


@pytest.mark.parametrize("running", [False, True])
def test_reads_of_clocks_stop_that_the_vdso_serves(running: bool) -> None:
    code = program(stdout=False, running=running)
    for clock in range(-30, 30):
        stops = running and clock in SERVED_CLOCKS
        found = interpreted(code, ARCHITECTURES["x86_64"], CLOCK_GETTIME, (clock, 0x7FFF_0000))
        assert found == (TRACE | CLOCK_GETTIME if stops else ALLOW), clock
        assert interpreted(code, ARCHITECTURES["i386"], 265, (clock,)) == ALLOW


@pytest.mark.parametrize("running", [False, True])
def test_of_socket_options_only_the_error_is_of_interest(running: bool) -> None:
    code = program(stdout=False, running=running)
    for level, option in product((0, 1, 6, 41), (0, 1, 3, 4, 20)):
        stops = running and (level, option) == (1, 4)
        found = interpreted(code, ARCHITECTURES["x86_64"], GETSOCKOPT, (3, level, option))
        assert found == (TRACE | GETSOCKOPT if stops else ALLOW), (level, option)
        assert interpreted(code, ARCHITECTURES["i386"], 365, (3, level, option)) == ALLOW


def test_a_call_without_a_name_is_called_by_its_number() -> None:
    nameless = call_of(1023)
    assert nameless is not None
    assert (nameless.name, nameless.number, nameless.abi) == ("syscall_1023", 1023, 0)
    assert call_of(MARKS) is None
    assert call_of(0) is None  # read(2), which does not stop


@pytest.mark.parametrize("call", [call for call in observed() if call.kind is Kind.WRITE], ids=lambda call: call.name)
def test_writes_stop_at_the_descriptors_asked_for(call: object, stdout: bool) -> None:
    one = next(each for each in observed() if each is call)
    code = program(stdout=stdout)
    heard = {1, 2} if stdout else {2}
    for descriptor, size in product((0, 1, 2, 3, 100, -1), (0, 1, 1 << 31)):
        found = interpreted(code, ARCHITECTURES[ABIS[one.abi]], one.number, (descriptor, 0x1000, size))
        assert found == (TRACE | one.mark if descriptor in heard and size else ALLOW), (descriptor, size)


@pytest.mark.parametrize("flags", [0, 0x100, AT_EMPTY_PATH, AT_EMPTY_PATH | 0x100, 0x6000])
def test_an_fstat_passes_though_its_call_could_take_a_path(flags: int, stdout: bool) -> None:
    code = program(stdout=stdout)
    found = [call for call in observed() if call.name in FLAGS]
    assert len(found) == 4
    for call in found:
        arguments = [0] * 6
        arguments[FLAGS[call.name]] = flags
        expected = ALLOW if flags & AT_EMPTY_PATH else TRACE | call.mark
        assert interpreted(code, ARCHITECTURES[ABIS[call.abi]], call.number, arguments) == expected, call


def test_a_clone_stops_only_where_its_child_would_escape(stdout: bool) -> None:
    code = program(stdout=stdout)
    for call in births():
        for flags in (0, CLONE_UNTRACED, 0x3D0F00, 0x3D0F00 | CLONE_UNTRACED):
            # The flags of clone3(2) are in memory, where no filter can look.
            stops = call.kind is Kind.CLONE3 or flags & CLONE_UNTRACED
            found = interpreted(code, ARCHITECTURES[ABIS[call.abi]], call.number, (flags,))
            assert found == (TRACE | call.mark if stops else ALLOW)


def test_calls_of_other_abis_pass(stdout: bool) -> None:
    code = program(stdout=stdout)
    for call in syscalls.table():
        assert interpreted(code, ARCHITECTURES["x86_64"], call.number | X32_BIT, (2, 0, 1)) == ALLOW
        assert interpreted(code, 0xC00000B7, call.number, (2, 0, 1)) == ALLOW  # AArch64


def in_a_child(work: Callable[[], int]) -> int:
    """The exit status of a child that does it."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("uid", [0, 65534] if os.geteuid() == 0 else [os.geteuid()])
def test_the_kernel_takes_it_and_all_else_goes_on_as_before(uid: int) -> None:
    """Who has no tracer gets ENOSYS from the observed calls, and only from those (seccomp(2), SECCOMP_RET_TRACE)."""
    ready = Filter(stdout=False)
    libc = ctypes.CDLL(None, use_errno=True)

    def work() -> int:
        if uid != os.geteuid():
            os.setresuid(uid, uid, uid)
        ready.install()
        reading, writing = os.pipe()
        os.write(writing, b"x")
        if os.read(reading, 1) != b"x" or os.fstat(reading).st_size or os.getpid() <= 0:
            return 1
        null = os.dup2(writing, 2)
        libc.access(b"/", 0)
        if ctypes.get_errno() != errno.ENOSYS:
            return 2
        libc.write(null, b"x", 1)
        if ctypes.get_errno() != errno.ENOSYS:
            return 3
        ctypes.set_errno(0)
        libc.write(null, b"", 0)
        return ctypes.get_errno()

    assert in_a_child(work) == 0


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    ready = Filter(stdout=False)

    def work() -> int:
        ready._program.len = 0  # a program that is none
        try:
            ready.install()
        except OSError as error:
            return error.errno or 0
        return 0

    assert in_a_child(work) == errno.EINVAL
