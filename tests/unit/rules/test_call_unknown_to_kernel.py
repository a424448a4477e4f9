"""call-unknown-to-kernel: the kernel is named, and versions only where a table has them."""

from __future__ import annotations

from errno import ENOSYS

from gotrace.events.model import SyscallError
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out


def refused(syscall: str) -> Program:
    program = Program()
    program.events.append(SyscallError(ts_ns=2000, seq=2, pid=PID, tid=PID, syscall=syscall, errno=ENOSYS))
    return program


def test_a_call_without_a_name_goes_by_its_number() -> None:
    found = finding("call-unknown-to-kernel")
    assert found.message.startswith("app makes the system call number 1023: the kernel here, ")
    assert "newer" not in ways_out(found)


def test_what_glibc_makes_it_for_is_told() -> None:
    program = refused("clone3")
    program.fact("kernel_call", "clone3", answer="ENOSYS", listed=False, filtered=False)
    found = program.finding("call-unknown-to-kernel")
    assert "glibc makes it to make threads and processes since 2.34" in ways_out(found)


def test_under_a_filter_a_call_without_a_name_says_nothing_of_the_kernel() -> None:
    program = refused("syscall_1023")
    program.fact("confinement", seccomp="filter", seen=True, pid=PID)
    assert program.findings() == []


def test_a_program_that_goes_on_is_fine() -> None:
    assert findings("call-unknown-to-kernel.fixed") == []
