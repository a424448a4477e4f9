"""State and descent of processes, by those that are there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from gotrace.capture.procstat import descends, parent, state


def test_a_process_has_a_parent_and_a_state_until_it_is_waited_for() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        assert parent(sleeper.pid) == os.getpid()
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert state(sleeper.pid) == "Z"
        assert sleeper.wait() == -signal.SIGKILL
    assert (state(sleeper.pid), parent(sleeper.pid)) == ("", 0)


def test_the_name_of_a_program_may_look_like_the_end_of_the_name() -> None:
    """The name stands in parentheses, unescaped."""
    program = "open('/proc/self/comm', 'w').write(') Z 1 1'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as renamed:
        assert renamed.stdout is not None
        renamed.stdout.readline()
        assert parent(renamed.pid) == os.getpid()
        renamed.communicate(b"\n")


def test_descent_is_told_by_the_process_tree() -> None:
    assert descends(os.getpid(), os.getpid())
    assert descends(os.getpid(), os.getppid())
    assert not descends(os.getppid(), os.getpid())
    assert not descends(0, os.getpid())
