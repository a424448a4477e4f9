"""`gotrace scenario` on real files and real builds: what it writes works, what falls short is said, stopping clears up.

The scenarios themselves are proved by `gotrace scenario verify`.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.watching import marked, processes_of, wait_for

Done = subprocess.CompletedProcess[str]
Scenario = Callable[..., Done]

SLEEPS = """
title = "Sleeps, and would go on to a fix"
rule = "missing-header"
[reproduce]
command = ["sh", "-c", "echo > $STARTED; exec sleep 300"]
env = { STARTED = "%s" }
[[fix]]
command = ["sh", "-c", "echo > %s"]
"""


@pytest.fixture
def env(build_env: dict[str, str], tmp_path: Path, warm_cache: Path) -> dict[str, str]:
    """Everything that is left behind is left below `tmp_path`, but what Go compiled."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "cache/gotrace").mkdir(parents=True)
    (tmp_path / "cache/gotrace/scenario-build").symlink_to(warm_cache)
    mine = {name: value for name, value in build_env.items() if not name.startswith(("SUDO_", "GOTRACE_"))}
    return mine | {"TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "100"}


@pytest.fixture
def scenario(env: dict[str, str], tmp_path: Path) -> Scenario:
    """Runs `gotrace scenario` with these words."""

    def run(*words: str) -> Done:
        command = [str(GOTRACE), "scenario", *words]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)

    return run


@pytest.fixture
def template(scenario: Scenario, tool: Callable[[str], str], tmp_path: Path) -> Path:
    """The file that `new` writes."""
    tool("go"), tool("gcc")
    assert scenario("new", "fresh").returncode == 0
    return tmp_path / "fresh.toml"


def test_what_new_writes_passes_as_it_is(scenario: Scenario, template: Path, tmp_path: Path) -> None:
    done = scenario("run", "./fresh.toml", "--trust", "--backend", "ptrace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gotrace: error GT201 missing-header: " in done.stdout
    assert done.stdout.count("\n-- as the scenario says\n") == 2
    kept = Path(done.stdout.splitlines()[-1].partition(": ")[2])
    assert kept.is_relative_to(tmp_path / "tmp")
    assert (kept / "reproduce/main.go").is_file()


def test_what_gotrace_does_not_find_falls_short(scenario: Scenario, template: Path, tmp_path: Path) -> None:
    template.write_text(template.read_text().replace('rule = "missing-header"', 'rule = "missing-library"'))
    done = scenario("verify", "fresh.toml", "--trust", "--backend", "ptrace", "--json")
    assert done.returncode == 1, done.stderr
    [one] = json.loads(done.stdout)["scenarios"]
    assert (one["reproduced"], one["diagnosed"], one["fixed"]) == (True, False, True)
    assert one["status"] == "failed"
    assert one["findings"] == ["missing-header"]
    assert "found missing-header, expected missing-library" in one["why"]
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["run", "verify"])
def test_stopping_ends_what_runs_and_clears_up(
    env: dict[str, str], tmp_path: Path, command: str, number: signal.Signals
) -> None:
    started, fixed = tmp_path / "started", tmp_path / "fixed"
    (tmp_path / "sleeps.toml").write_text(SLEEPS % (started, fixed))
    env = marked(env)
    (tmp_path / "never.toml").write_text(SLEEPS % (fixed, fixed))
    files = ["./sleeps.toml", *(["./never.toml"] if command == "verify" else [])]
    words = [str(GOTRACE), "scenario", command, *files, "--trust", "--backend", "ptrace"]
    with subprocess.Popen(words, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            wait_for(started.exists)
            running.send_signal(number)
            assert running.wait(60) == 128 + number
        finally:
            running.kill()
    wait_for(lambda: not processes_of(env))
    assert not fixed.exists()
    assert list((tmp_path / "tmp").iterdir()) == []
