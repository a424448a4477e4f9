"""call-refused-by-seccomp: what came of it, and how to get round; who it was is tested in test_refusals.py."""

from __future__ import annotations

from tests.unit.rules.programs import Program
from tests.unit.rules.recorded import finding, findings, ways_out


def test_the_crash_that_followed_is_told() -> None:
    found = finding("io-uring-refused")
    assert "went on as if the call had worked, until a NULL pointer was dereferenced" in found.message
    assert [one.event for one in found.evidence] == ["syscall_error", "signal", "exit", "fact"]
    assert "Take EPERM and ENOSYS" in ways_out(found)


def test_threads_of_c_have_two_ways_round() -> None:
    found = finding("clone3-refused")
    assert "env CGO_ENABLED=0 go build" in ways_out(found)
    assert "answer clone3 with ENOSYS" in ways_out(found)
    assert found.confidence == 0.9  # nobody saw the filter itself, only what it did


def test_glibc_falls_back_where_the_answer_is_enosys() -> None:
    assert "Have the profile answer faccessat2 with ENOSYS" in ways_out(finding("faccessat2-refused"))


def test_go_cannot_do_without_epoll() -> None:
    found = finding("epoll-refused")
    assert found.message.startswith("A seccomp filter refuses app the system call epoll_create1 with ENOSYS")
    assert ways_out(found).startswith("Allow epoll_create1 in the seccomp profile")


def test_a_program_that_looks_at_the_answer_is_fine() -> None:
    assert findings("io-uring-refused.fixed") == []


def test_a_filter_may_end_who_makes_the_call() -> None:
    (found,) = Program().findings(status=None, signal=31)
    assert found.message == "A seccomp filter ended app by SIGSYS for a system call that it forbids."
