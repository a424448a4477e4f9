"""A build that a cancelled CI job, timeout(1) or a user ends: it was interrupted, and no rule has to explain it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.projects import go_module
from tests.integration.watching import Running, wait_for

IN_PLACE_OF_THE_COMPILER = """#!/bin/sh
case "$*" in *-V=full*) exec "$@";; esac
{does}
"""


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path, backend: str) -> dict[str, str]:
    mine = {name: value for name, value in build_env.items() if not name.startswith("SUDO_")}
    return mine | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "GOTRACE_BACKEND": backend, "COLUMNS": "200"}


@pytest.fixture
def build(
    env: dict[str, str], privileges: tuple[str, ...], backend: str, tmp_path: Path, tool: Callable[[str], str]
) -> Callable[..., Running]:
    """Traces a shell line in a package whose compiler does something else; `$GO` in it builds that."""
    go = tool("go")
    module = go_module(tmp_path / "ex", {"main.go": "package main\n\nfunc main() {}\n"})

    def start(line: str, does: str) -> Running:
        compiler = tmp_path / "compiler"
        compiler.write_text(IN_PLACE_OF_THE_COMPILER.format(does=does))
        compiler.chmod(0o755)
        traced = [str(GOTRACE), "build", *(privileges if backend == "ebpf" else ()), "--"]
        here = env | {"GO": f"{go} build -C {module} -toolexec {compiler} -o {tmp_path / 'app'} ."}
        return Running([*traced, "sh", "-c", line], here, own_group=True)

    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_the_whole_job_interrupts_the_build(
    build: Callable[..., Running], tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    with build("exec $GO", f"echo > {started}; exec sleep 300") as run:
        wait_for(started.exists)
        os.killpg(run.process.pid, number)
        code, _, err = run.end()
    assert f"gotrace: interrupted by {number.name}, and the command " in err
    assert "explained by no rule" not in err
    assert code == -number or (code == 1 and number == signal.SIGINT)  # of which go may make its own end


def test_what_ends_go_interrupts_the_build_whatever_the_command_makes_of_it(build: Callable[..., Running]) -> None:
    with build("$GO; exit 7", 'kill -TERM "$PPID"') as run:
        code, _, err = run.end()
    assert code == 7
    assert "gotrace: interrupted by SIGTERM, and the command ended with exit status 7: " in err
    assert "explained by no rule" not in err
