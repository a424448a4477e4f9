"""What an attached program does is counted, and its rates are those of late."""

from __future__ import annotations

from gotrace.cli.happenings import Happenings
from gotrace.events.model import Dlopen, Dlsym, Exec, Exit, Fork, Library, Signal, SyscallError


def failure(path: str = "/x", repeat: int = 1) -> SyscallError:
    return SyscallError(ts_ns=1, pid=7, syscall="openat", errno=2, paths=(path,), repeat=repeat)


def test_calls_are_counted_by_what_failed() -> None:
    seen = Happenings()
    seen.failing([failure(), failure("/y"), failure(), SyscallError(ts_ns=1, pid=7, syscall="bind", errno=98)], 1.0)

    assert seen.failures == {"openat ENOENT /x": 2, "openat ENOENT /y": 1, "bind EADDRINUSE": 1}


def test_rates_are_those_of_the_last_seconds() -> None:
    seen = Happenings()
    seen.failing([failure("/old")] * 50, 0.0)
    seen.failing([failure("/new", repeat=20)], 100.0)

    assert seen.rates(101.0) == [("openat ENOENT /new", 4.0, 20), ("openat ENOENT /old", 0.0, 50)]
    assert seen.rates(200.0)[0] == ("openat ENOENT /old", 0.0, 50)


def test_the_rate_of_what_has_just_begun_is_not_too_low() -> None:
    seen = Happenings()
    seen.failing([failure()] * 10, 50.0)

    assert seen.rates(51.0) == [("openat ENOENT /x", 10.0, 10)]


def test_a_storm_is_said() -> None:
    seen = Happenings()
    seen.failing(None, 1.0)

    assert "0 failing calls and more" in seen.line(1.0, 3)


def test_one_line_says_all() -> None:
    seen = Happenings()
    seen.live(
        [
            Exec(ts_ns=1, pid=7, path="/srv/app"),
            Fork(ts_ns=2, pid=7, child_pid=8),
            Fork(ts_ns=2, pid=7, child_pid=9),
            Exit(ts_ns=3, pid=8, status=0),
            Library(ts_ns=4, pid=7, path="/lib/libc.so.6", base=1, size=1),
            Library(ts_ns=4, pid=9, path="/lib/libc.so.6", base=1, size=1),
            Dlopen(ts_ns=5, pid=7, filename="libssl.so.3", flags=2, handle=0),
            Dlsym(ts_ns=6, pid=7, symbol="SSL_new", handle=5, address=0),
            Signal(ts_ns=7, pid=7, signal=11),
        ]
    )
    seen.failing([failure()], 7.0)

    assert seen.line(12.3, 5) == (
        "gotrace: 12 s: 2 processes, 5 threads, 1 failing call, 1 mapped file, 1 dlopen, 1 dlsym, 1 SIGSEGV"
    )
    assert list(seen.journal) == ["dlopen libssl.so.3: failed", "dlsym SSL_new: not found"]
