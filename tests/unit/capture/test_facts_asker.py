"""Questions to tools: an answer, or in time the reason why there is none."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gotrace.capture.facts.asker import Asker, NoAnswerError

_ENV = {"PATH": "/usr/bin:/bin", "ONLY": "this"}


def shell(script: str, seconds: float = 10) -> str:
    return Asker(seconds).ask(["/bin/sh", "-c", script], env=_ENV, cwd="/")


def test_the_answer_is_the_standard_output() -> None:
    assert shell("echo $ONLY; pwd; echo aside >&2") == "this\n/\n"


def test_a_tool_reads_nothing() -> None:
    assert shell("cat; echo done") == "done\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [("exit 3", "exit status 3"), ("echo what went wrong >&2; echo more >&2; exit 1", "what went wrong")],
)
def test_a_failure_is_no_answer(script: str, reason: str) -> None:
    with pytest.raises(NoAnswerError, match=reason):
        shell(script)


def test_a_tool_that_is_not_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="No such file"):
        Asker(10).ask([str(tmp_path / "none")], env={}, cwd="/")
    with pytest.raises(NoAnswerError, match="No such file"):
        Asker(10).ask(["/bin/true"], env={}, cwd=str(tmp_path / "none"))


def test_an_endless_answer_is_cut_off() -> None:
    with pytest.raises(NoAnswerError, match="too long"):
        shell("yes", seconds=60)


@pytest.mark.parametrize("script", ["sleep 60 & echo $! > {file}; wait", "exec >&- 2>&-; echo $$ > {file}; sleep 60"])
def test_a_tool_that_hangs_is_ended_with_all_its_children(tmp_path: Path, script: str) -> None:
    file = tmp_path / "pid"
    with pytest.raises(NoAnswerError, match="in time"):
        shell(script.format(file=file), seconds=1.5)
    gone = False
    for _ in range(100):
        try:
            os.kill(int(file.read_text()), 0)
        except ProcessLookupError:
            gone = True
            break
        time.sleep(0.02)
    assert gone


def test_after_the_deadline_nothing_is_started(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match="no time"):
        shell(f"touch {tmp_path}/started", seconds=0)
    assert not (tmp_path / "started").exists()
