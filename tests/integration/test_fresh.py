"""`--fresh`: a real build with a build cache of its own, which leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

GO_MOD = "module ex/app\n\ngo 1.21\n"
MAIN = "package main\n\nfunc main() { println(42) }\n"


def gotrace(folder: Path, *command: str, **more: Any) -> subprocess.Popen[str]:
    (folder / "tmp").mkdir(exist_ok=True)
    heeding = ["env", "--default-signal=INT"]  # whoever starts tests in the background ignores ^C, which is inherited
    return subprocess.Popen(
        [*heeding, sys.executable, "-m", "gotrace", "build", "--backend", "ptrace", "--fresh", *command],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_standard_library_is_compiled_and_no_cache_is_touched(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(GO_MOD)
    (tmp_path / "main.go").write_text(MAIN)
    running = gotrace(
        tmp_path, "--report", "json:r.json", "--", "go", "build", "-o", "p", ".", GOCACHE=str(tmp_path / "c")
    )
    _, told = running.communicate(timeout=300)
    assert running.returncode == 0, told
    assert "gotrace: built with an empty build cache of its own (--fresh)" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go.mod", "main.go", "p", "r.json", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["fresh"] is True
    assert [build["from_cache"] for build in report["builds"]] == ["none"]
    assert report["counts"]["packages"] > 10  # runtime and what it is made of


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_the_cache_goes(number: signal.Signals, tmp_path: Path) -> None:
    script = 'mkdir "$GOCACHE/00" && echo x > "$GOCACHE/00/a" && touch began && exec sleep 300'
    running = gotrace(tmp_path, "--", "sh", "-c", script)
    deadline = time.monotonic() + 60
    while not (tmp_path / "began").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(list((tmp_path / "tmp").glob("gotrace-fresh-*/00/a"))) == 1
    os.killpg(running.pid, number)
    running.communicate(timeout=60)
    assert running.returncode == -number
    assert list((tmp_path / "tmp").glob("gotrace-fresh-*")) == []
