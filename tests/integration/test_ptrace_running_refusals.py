"""Failing calls without a path under ptrace, exactly as many as were made: also those that another filter refuses."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gotrace.events.errno import errno_name
from gotrace.events.model import SyscallError
from gotrace.sources.base import Target
from gotrace.sources.ptrace.source import PtraceSource
from tests.hostile.watched import both
from tests.integration.observing import Observed, observe

SOURCE = Path(__file__).parent / "programs" / "refused.c"
WITHOUT_FILTER = {
    ("epoll_create1", "EINVAL"): 5,
    ("syscall_1023", "ENOSYS"): 3,
    ("clone", "EINVAL"): 4,
    ("mmap", "EINVAL"): 2,
    ("socket", "EAFNOSUPPORT"): 6,
    ("access", "ENOENT"): 3,
}
REFUSED = {("epoll_create1", "EPERM"): 23 + 7 + 11, ("openat", "EACCES"): 2}
_OF_START = ("/etc/ld.so.preload",)


@pytest.fixture(params=["compiled", "python"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the tracer's two loops runs."""
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", str(request.param))


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    with TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as folder:
        path = f"{folder}/refused"
        subprocess.run(["gcc", "-O2", "-pthread", "-w", "-o", path, SOURCE], check=True)
        yield path


def failures(seen: Observed) -> dict[tuple[str, str], int]:
    found = Counter[tuple[str, str]]()
    for event in seen.events:
        if isinstance(event, SyscallError) and event.paths != _OF_START:
            found[event.syscall, errno_name(event.errno)] += event.repeat
    return dict(found)


@pytest.mark.usefixtures("loop")
def test_each_failing_call_is_told(program: str) -> None:
    seen = observe([program], source=PtraceSource(), target=Target(1, running=True))
    assert failures(seen) == WITHOUT_FILTER
    assert seen.lost == []


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("by", ["prctl", "seccomp"])
def test_so_is_each_that_a_filter_of_the_program_refuses(program: str, by: str) -> None:
    seen = observe([program, by], source=PtraceSource(), target=Target(1, running=True))
    assert failures(seen) == WITHOUT_FILTER | REFUSED
    assert seen.lost == []
    (opened, *_) = [event for event in seen.events if isinstance(event, SyscallError) and event.syscall == "openat"]
    assert opened.paths == ("/proc/self/status",)


@pytest.mark.usefixtures("loop")
def test_a_build_pays_for_none_of_it(program: str) -> None:
    seen = observe([program], source=PtraceSource(), target=Target(1))
    assert failures(seen) == {("access", "ENOENT"): 3}


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("by", [(), ("seccomp",)])
def test_the_program_does_not_notice(program: str, by: tuple[str, ...]) -> None:
    run = both(program, *by, running=True)
    assert run.traced == run.bare
