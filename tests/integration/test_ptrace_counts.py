"""23 happenings, 23 events under ptrace, for root and for an ordinary user, by both of its loops."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gotrace.events.model import Output, SyscallError
from gotrace.sources.ptrace import channel
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.observing import Observed, observe

TIMES = 23
ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def happenings() -> Iterator[Path]:
    with TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder) / "happenings"
        subprocess.run(["gcc", "-static", "-no-pie", "-O1", "-o", program, PROGRAMS / "happenings.c"], check=True)
        yield program


@pytest.fixture(params=["python", "compiled"], autouse=True)
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the tracer's two loops runs."""
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", str(request.param))


def traced(*argv: str, period: float = 0.02, env: dict[str, str] | None = None) -> Observed:
    return observe(argv, source=PtraceSource(), period=period, env=env)


def test_each_thing_done_23_times_is_seen_23_times(happenings: Path) -> None:
    seen = traced(str(happenings))

    assert seen.lost == []
    assert seen.wait_status >> 8 == TIMES
    assert [(e.status, e.signal) for e in seen.exits()] == [*((i, None) for i in range(TIMES)), (TIMES, None)]
    assert len(seen.forks()) == TIMES
    assert len(seen.execs()) == 1
    refused = seen.execs(failed=True)
    assert len(refused) == TIMES
    assert {(e.path, e.argv, e.error) for e in refused} == {("/nowhere/absent", ("absent", "--flag"), errno.ENOENT)}
    assert Counter((e.abi, e.syscall, e.errno, e.paths) for e in seen.events if isinstance(e, SyscallError)) == {
        ("x86_64", "access", errno.ENOENT, ("/nowhere/access",)): TIMES,
        ("x86_64", "renameat2", errno.ENOENT, ("/nowhere/old-\\xff\\\\", "/nowhere/new")): TIMES,
        ("i386", "access", errno.ENOENT, ("/nowhere/i386",)): TIMES,
    }
    assert seen.output(seen.pid) == "one two\nline\n" * TIMES


@pytest.mark.root("becoming another user needs root; the test before was an ordinary user's then")
def test_an_ordinary_user_sees_the_same(happenings: Path) -> None:
    code = (
        "from tests.integration.both import become; from tests.integration.observing import observe;"
        "from gotrace.sources.ptrace.source import PtraceSource; from collections import Counter; become(65534);"
        f"seen = observe([{str(happenings)!r}], source=PtraceSource());"
        "kinds = Counter(type(e).__name__ for e in seen.events);"
        "print(seen.lost, seen.wait_status >> 8, sorted(kinds.items()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )

    kinds = {"Exec": TIMES + 1, "Exit": TIMES + 1, "Fork": TIMES, "Output": 2 * TIMES, "SyscallError": 3 * TIMES}
    assert done.stdout.strip() == f"[] {TIMES} {sorted(kinds.items())}"


def test_argv_over_a_megabyte_is_cut_and_tells_its_true_length() -> None:
    words = ["x" * 100_000] * 12
    seen = traced("/bin/true", *words, env={})

    (start,) = seen.execs()
    assert start.argv is not None
    assert start.argv_bytes == len("/bin/true") + 1 + 12 * 100_001
    assert sum(len(word) + 1 for word in start.argv) in (1 << 20, (1 << 20) + 1)


def test_an_environment_is_whole_or_unknown_also_where_nobody_reads_meanwhile() -> None:
    small, large = ({"LONG": "z" * 100_000}, {f"LONG{i}": "z" * 120_000 for i in range(10)})
    assert traced("/bin/true", env=small, period=0.5).execs()[0].env == small
    assert traced("/bin/true", env=large).execs()[0].env is None


def test_what_does_not_fit_is_counted_to_the_last_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look a second, and room for some 150 calls: the buffer cannot hold them."""
    storm, calls = tmp_path / "storm", 10_000
    subprocess.run(["gcc", "-O1", "-pthread", "-o", storm, PROGRAMS / "storm.c"], check=True)
    monkeypatch.setattr(channel, "BULK_BYTES", 4 * channel.PAGE)
    seen = traced(str(storm), "2", str(calls // 2), period=1.0)

    arrived = len([e for e in seen.errors("access") if e.paths == ("/nowhere/at/all",)])
    others = len([e for e in seen.events if isinstance(e, SyscallError)]) - arrived
    (lost,) = seen.lost
    assert (lost.what, lost.exact) == ("syscall_error", True)
    assert (arrived + lost.count, others) == (calls, 1)  # /etc/ld.so.preload comes first
    assert len(seen.execs()) == len(seen.exits()) == 1


@pytest.mark.parametrize("size", [4095, 4096, 65_535, 65_536, 65_537])
def test_a_long_write_is_one_text(size: int, tmp_path: Path) -> None:
    target = str(tmp_path / "stderr")
    code = f"import os; os.dup2(os.open({target!r}, os.O_RDWR | os.O_CREAT, 0o600), 2); os.write(2, b'x' * {size})"
    seen = traced(sys.executable, "-I", "-S", "-c", code)

    (output,) = [event for event in seen.events if isinstance(event, Output)]
    assert (len(output.text), output.truncated) == (min(size, 65_536), size > 65_536)
