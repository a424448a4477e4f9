"""Who refused a call: decided by what gotrace's own try answered, and by what the process was allowed."""

from __future__ import annotations

from errno import EACCES, EMFILE, ENOSYS, EPERM
from typing import Any

import pytest

from gotrace.events.model import SyscallError
from gotrace.rules import refusals
from tests.unit.rules.programs import PID, Program

FILTER = "call-refused-by-seccomp"
KERNEL = "call-unknown-to-kernel"
CAPABILITY = "missing-capability"
NONE = "0000000000000000"
ALL = "000001ffffffffff"


def refused(syscall: str, errno: int, *, args: tuple[int, ...] = (), after: str = "", **tried: Any) -> Program:
    """A program that fails by one call; `tried` is what gotrace found out by making the call."""
    program = Program()
    program.events.append(SyscallError(**program._common(), syscall=syscall, errno=errno, args=args))
    if after:
        program.says(after)
    if tried:
        program.fact("kernel_call", syscall, **{"answer": "", "listed": None, "filtered": False, **tried})
    return program


def confined(program: Program, capabilities: str = ALL, *, seccomp: str = "off", **more: Any) -> Program:
    program.fact("confinement", capabilities=capabilities, seccomp=seccomp, **{"seen": True, "pid": PID, **more})
    return program


def names(program: Program) -> list[str]:
    return [finding.name for finding in program.findings()]


@pytest.mark.parametrize("errno", [EPERM, ENOSYS])
def test_a_call_that_the_kernel_makes_for_others_is_refused_by_a_filter(errno: int) -> None:
    assert names(refused("io_uring_setup", errno, answer="EFAULT", listed=True)) == [FILTER]


def test_under_the_same_filter_the_list_of_the_kernels_functions_decides() -> None:
    assert names(refused("statx", ENOSYS, answer="ENOSYS", listed=True, filtered=True)) == [FILTER]
    assert names(refused("statx", ENOSYS, answer="ENOSYS", listed=False, filtered=True)) == [KERNEL]
    assert names(refused("statx", ENOSYS, answer="ENOSYS", listed=None, filtered=True)) == []
    assert names(refused("statx", EPERM, answer="EPERM", listed=True, filtered=True)) == [FILTER]


def test_a_kernel_that_says_the_same_to_everybody_lacks_the_call() -> None:
    program = refused("io_uring_setup", ENOSYS, answer="ENOSYS", listed=None)
    finding = program.finding(KERNEL)
    assert "which Linux has since 5.1" in finding.message
    assert any("Linux 5.1 or newer" in fix.text for fix in finding.fix)


def test_nobody_is_blamed_for_what_was_not_tried() -> None:
    assert names(refused("mbind", EPERM)) == []
    assert names(refused("io_uring_setup", EPERM)) == []


def test_a_switch_of_the_kernel_that_refuses_everybody() -> None:
    switch = {"name": "kernel.io_uring_disabled", "value": 2}
    program = refused("io_uring_setup", EPERM, answer="EPERM", listed=True, switch=switch)
    assert "kernel.io_uring_disabled is 2" in program.finding(CAPABILITY).message


def test_a_capability_that_the_process_has_not_got() -> None:
    program = confined(refused("bind", EACCES, args=(3, 0, 16)), NONE)
    finding = program.finding(CAPABILITY)
    assert "to listen on a port below 1024 it takes CAP_NET_BIND_SERVICE" in finding.message
    assert ("setcap", "cap_net_bind_service+ep", "/srv/app") in [fix.command for fix in finding.fix]


@pytest.mark.parametrize(
    ("syscall", "args"),
    [
        ("socket", (17, 3, 0)),
        ("socket", (2, 3 | 0x80000, 1)),
        ("mount", ()),
        ("perf_event_open", ()),
        ("setns", ()),
    ],
)
def test_calls_that_take_a_capability(syscall: str, args: tuple[int, ...]) -> None:
    assert names(confined(refused(syscall, EPERM, args=args), NONE)) == [CAPABILITY]


def test_an_address_of_a_unix_socket_is_no_port() -> None:
    assert names(confined(refused("bind", EACCES, args=(3, 0, 110)), NONE)) == []


def test_who_has_the_capability_is_refused_by_a_filter() -> None:
    program = confined(refused("perf_event_open", EPERM, answer="EINVAL", listed=True), ALL)
    assert names(program) == [FILTER]


def test_what_was_merely_inherited_says_nothing_once_another_program_ran_before() -> None:
    program = confined(refused("bind", EACCES, args=(3, 0, 16)), NONE, seen=False)
    program.events.insert(1, program.events[0])  # a wrapper that became the program
    assert names(program) == []


def test_a_program_that_goes_on_for_long_fails_by_something_else() -> None:
    program = refused("io_uring_setup", EPERM, answer="EFAULT", listed=True)
    program._now += 2_000_000_000
    assert names(program) == []


def test_a_program_that_ends_well_is_none_of_our_business() -> None:
    program = refused("io_uring_setup", EPERM, answer="EFAULT", listed=True)
    assert program.findings(status=0) == []


def test_a_call_long_before_the_last_ones_is_forgiven() -> None:
    program = refused("io_uring_setup", EPERM, answer="EFAULT", listed=True)
    for syscall in ("connect", "sendto", "recvfrom"):
        program.events.append(SyscallError(**program._common(), syscall=syscall, errno=111))
    assert names(program) == []


def test_what_the_runtime_names_counts_wherever_it_was() -> None:
    program = refused("clone3", EPERM, answer="EINVAL", listed=True)
    for syscall in ("connect", "sendto", "recvfrom"):
        program.events.append(SyscallError(**program._common(), syscall=syscall, errno=111))
    program.says("runtime/cgo: pthread_create failed: Operation not permitted")
    assert names(program) == [FILTER]


def test_a_limit_that_was_not_seen_is_not_told() -> None:
    program = Program()
    program.events.insert(1, program.events[0])
    program.events.append(SyscallError(**program._common(), syscall="accept4", errno=EMFILE))
    program.fact("confinement", limits={"nofile": [64, 256]}, seen=False, pid=PID)
    assert program.finding("too-many-open-files").message.endswith("accept4 ended with EMFILE.")


def test_a_limit_that_was_seen_is_told() -> None:
    program = Program()
    program.events.append(SyscallError(**program._common(), syscall="accept4", errno=EMFILE))
    program.fact("confinement", limits={"nofile": [256, 256]}, seen=True, pid=PID)
    assert program.finding("too-many-open-files").message.endswith("Its limit is 256.")


def test_kernels_and_releases_of_glibc() -> None:
    assert refusals.since("clone3") == "5.3"
    assert refusals.of_glibc("clone3")["version"] == "2.34"
    assert (refusals.since("read"), refusals.of_glibc("read")) == ("", {})
