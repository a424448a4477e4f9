"""Calls of the loader in all sorts of processes: breakpoints are copied, shared and gone with them, and none kills."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Dlsym, Signal
from tests.hostile.watched import SOURCES, Both, assert_every_exit_is_told, assert_harmless, both, ends
from tests.integration.observing import Observed

pytestmark = pytest.mark.usefixtures("loop")

Hostile = Callable[[str], str]


@pytest.fixture(scope="module", params=["gcc", "musl-gcc"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """loader_calls.c, with glibc and with musl."""
    path, compiler = tmp_path_factory.mktemp("loader-calls") / "loader_calls", str(request.param)
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed; `make setup` installs it")
    subprocess.run([compiler, "-O2", "-pthread", "-o", path, SOURCES / "loader_calls.c"], check=True)
    return str(path)


def run(*argv: str) -> Both:
    """Bare and traced; it must make no difference."""
    done = both(*argv, running=True)
    assert_harmless(done)
    return done


def asked(seen: Observed) -> Counter[str]:
    """How often which symbol was looked up."""
    return Counter(event.symbol for event in seen.events if isinstance(event, Dlsym))


def test_forks_of_a_process_with_busy_threads(program: str) -> None:
    done = run(program, "forks")
    assert done.traced.out == "forks: bad 0\n"
    assert asked(done.seen) == {"early": 1, "busy": 4 * 400, "forked": 50, "printf": 50}
    found = [event for event in done.seen.events if isinstance(event, Dlsym) and event.symbol == "printf"]
    assert all(event.address for event in found)
    assert {event.pid for event in found} == {event.child_pid for event in done.seen.forks()}


def test_children_that_share_the_memory_of_their_parent(program: str) -> None:
    done = run(program, "vforks")
    assert done.traced.out == "vforks: bad 0\n"
    assert asked(done.seen) == {"early": 1, "vforked": 50, "after": 50}


def test_programs_that_are_spawned(program: str) -> None:
    done = run(program, "spawns")
    assert done.traced.out == "spawns: bad 0\n"
    assert asked(done.seen) == {"early": 21, "spawned": 20, "once": 20}


def test_a_thread_that_executes_a_program_while_others_are_busy(program: str) -> None:
    done = run(program, "exec")
    assert done.traced.wait_status == 6 << 8
    seen = asked(done.seen)
    assert (seen["early"], seen["once"]) == (2, 1)


def test_signals_that_come_before_a_step(program: str) -> None:
    """A signal every 100 microseconds: many of them come when a thread is about to step over a breakpoint."""
    done = run(program, "storm")
    assert done.traced.out == "storm: bad 0, alarms came\n"
    assert asked(done.seen) == {"early": 1, "stormy": 2000}


def test_a_thread_that_blocks_all_signals(program: str) -> None:
    done = run(program, "blocked")
    assert done.traced.out == "blocked: bad 0\n"
    assert asked(done.seen) == {"early": 1, "blocked": 20}
    assert [event for event in done.seen.events if isinstance(event, Signal)] == []


def test_a_program_with_breakpoints_of_its_own(program: str) -> None:
    done = run(program, "traps")
    assert done.traced.out == "traps: 40\n"
    assert asked(done.seen) == {"early": 1, "trapping": 20}
    codes = Counter((event.code, event.handled) for event in done.seen.events if isinstance(event, Signal))
    assert codes == {(0x80, True): 20, (-6, True): 20}, "int3, and raise(3)"


def test_what_was_harmless_for_a_build_is_it_for_a_run(hostile: Hostile, tmp_path: Path) -> None:
    """Faults, queued signals, job control: also where signals are looked at."""
    run(hostile("signals"), "storm", "20000")
    faults = run(hostile("signals"), "faults")
    assert faults.traced.wait_status & 0x7F == 5
    assert {event.signal for event in faults.seen.events if isinstance(event, Signal)} >= {5, 11}
    run(hostile("job_control"), str(tmp_path / "fifo"))


def test_killed_at_random_moments_of_all_they_do(hostile: Hostile) -> None:
    done = both(hostile("killer"), "100", running=True)
    assert_every_exit_is_told(done.seen)
    assert done.seen.lost == []
    assert done.traced.out == done.bare.out
    assert ends(done.seen)[None, 9] == 102


def test_killed_while_they_call_the_loader(program: str, tmp_path: Path) -> None:
    """No call that cannot come back is taken for one that was missed, and nobody else is harmed."""
    script = f"for i in 1 2 3 4 5 6 7 8 9 10; do {program} forks >/dev/null & sleep 0.0$i; kill -9 $!; wait $!; done"
    done = both("/bin/sh", "-c", f"{script}; {program} vforks", running=True)
    assert_every_exit_is_told(done.seen)
    assert done.seen.lost == []
    assert done.traced.out == "vforks: bad 0\n"
    assert ends(done.seen)[None, 9] == 10
