"""Failing calls of a run: put together, and the one to look at first on top."""

from __future__ import annotations

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Exec, Exit, Frame, SyscallError
from gotrace.events.recording import Header
from gotrace.trace.builder import build
from gotrace.trace.failing import FailingCalls, Relevance, failing_calls


def call(ts_ns: int, syscall: str, errno: str, *paths: str, tid: int = 7, **more: object) -> SyscallError:
    (number,) = errno_numbers(errno)
    return SyscallError(ts_ns=ts_ns, pid=7, tid=tid, syscall=syscall, errno=number, paths=paths, **more)  # type: ignore[arg-type]


def of(*calls: SyscallError, status: int = 1) -> list[FailingCalls]:
    """The groups of a program that made these calls and ended."""
    start = Exec(ts_ns=1, pid=7, path="/src/app", argv=("./app",), env={}, cwd="/src")
    return failing_calls(build(Header(running=True), [start, *calls, Exit(ts_ns=10**12, pid=7, status=status)]))


def names(groups: list[FailingCalls]) -> list[str]:
    return [group.first.syscall for group in groups]


def test_a_refusal_comes_before_a_full_table_and_that_before_a_search() -> None:
    groups = of(
        call(2, "openat", "ENOENT", "/etc/app.conf"),
        call(3, "accept4", "EMFILE"),
        call(4, "io_uring_setup", "EPERM"),
        call(5, "getsockopt", "EINVAL"),
        status=0,
    )
    assert names(groups) == ["io_uring_setup", "accept4", "getsockopt", "openat"]


def test_what_a_failed_program_looked_up_last_counts() -> None:
    calls = [call(2 + n, "openat", "ENOENT", f"/etc/app/{n}.conf") for n in range(9)]
    assert [group.relevance for group in of(*calls)][:4] == [Relevance.LAST] * 3 + [Relevance.SEARCH]
    assert {group.relevance for group in of(*calls, status=0)} == {Relevance.SEARCH}


def test_a_name_that_was_tried_in_several_folders_is_a_search() -> None:
    tried = [call(3 + n, "openat", "ENOENT", f"{folder}/libx.so") for n, folder in enumerate(("/lib", "/usr/lib"))]
    catalogue = call(9, "openat", "ENOENT", "/usr/share/locale/C/LC_MESSAGES/libc.mo")
    groups = of(call(2, "statx", "ENOENT", "/nonexistent"), *tried, catalogue)
    expected = [Relevance.LAST, Relevance.SEARCH, Relevance.SEARCH, Relevance.HARMLESS]
    assert [group.relevance for group in groups] == expected
    assert groups[0].first.paths == ("/nonexistent",)


def test_what_every_healthy_go_program_gets_is_harmless() -> None:
    named = call(2, "prctl", "EINVAL", args=(0x53564D41, 0, 4096, 4096, 0, 0))
    other = call(3, "prctl", "EINVAL", args=(38, 0, 0, 0, 0, 0))
    waited = call(4, "futex", "ETIMEDOUT")
    assert [group.relevance for group in of(named, other, waited)] == [Relevance.LAST, *[Relevance.HARMLESS] * 2]


def test_equal_calls_are_one_with_their_number_and_rate() -> None:
    calls = [call(10**9 * n, "connect", "ECONNREFUSED", ip=9, repeat=2, tid=n) for n in range(1, 6)]
    (group,) = of(*calls)
    assert (group.count, group.rate, group.tids) == (10, 2.5, {1, 2, 3, 4, 5})


def test_calls_from_two_places_are_two() -> None:
    assert len(of(call(2, "prctl", "EINVAL", ip=8), call(3, "prctl", "EINVAL", ip=9))) == 2


def test_who_asked_is_whoever_called_libc() -> None:
    stack = (
        Frame(ip=1, module="/lib/libc.so.6", origin="libc"),
        Frame(ip=2, module="/src/app", symbol="f", origin="c"),
    )
    (group,) = of(call(2, "prctl", "EINVAL", stack=stack))
    assert group.origin is not None
    assert group.origin.symbol == "f"
