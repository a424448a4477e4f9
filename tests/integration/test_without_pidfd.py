"""Where a seccomp filter refuses pidfd_open(2), as old ones do, gotrace does without it."""

from __future__ import annotations

import signal
import sys
from errno import ENOSYS, EPERM
from pathlib import Path

import pytest

from gotrace.scenario.plan import Plan
from tests.integration.conftest import GOTRACE
from tests.integration.watching import Running, wait_for

SIGNALS = Path(__file__).parent / "programs" / "signals.py"
PIDFD_OPEN = 434


@pytest.mark.parametrize("number", [EPERM, ENOSYS])
def test_signals_and_the_end_of_the_command_are_as_with_it(
    build_env: dict[str, str], tmp_path: Path, number: int
) -> None:
    env = build_env | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    log = tmp_path / "log"
    inside = Plan(refuse={PIDFD_OPEN: number}).program()
    tried = "import os; os.pidfd_open(os.getpid())"
    command = [str(GOTRACE), "build", "--backend", "ptrace", "--", sys.executable, str(SIGNALS), str(log)]
    with Running([*inside, sys.executable, "-c", tried], env) as refused:
        assert refused.end()[0] == 1
    with Running([*inside, *command], env, own_group=True) as run:
        wait_for(lambda: log.exists() and "ready" in log.read_text())
        run.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "SIGTERM" in log.read_text())
        run.process.send_signal(signal.SIGUSR1)
        code, _, err = run.end()
    assert code == 7
    assert "exit status 7" in err
