"""Runs the command line in this process, and makes recordings for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gotrace.cli.app import main
from gotrace.events.model import Exec, Exit, Fact, KnownEvent
from gotrace.events.recording import Header, write_recording


class Done(NamedTuple):
    code: int
    out: str
    err: str


Gotrace = Callable[..., Done]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "SUDO_USER", "GOTRACE_DEBUG", "GOTRACE_QUIET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gotrace(capfd: pytest.CaptureFixture[str]) -> Gotrace:
    def run(*arguments: str | Path) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in arguments])
        code = ended.value.code
        assert isinstance(code, int)
        return Done(code, *capfd.readouterr())

    return run


HEADER = Header(version="0.1.0", argv=("true",), cwd="/", source="ebpf", observes=("execs", "from_start"))


def events(status: int | None = 0, signal: int | None = None) -> list[KnownEvent]:
    """The life of `true`, or of something that ended otherwise."""
    command = {"pid": 7, "exit": status, "signal": signal, "seconds": 0.5, "user": "ada"}
    return [
        Exec(ts_ns=1_000, pid=7, path="/bin/true", argv=("true",), env={}, cwd="/"),
        Exit(ts_ns=500_001_000, pid=7, status=status, signal=signal),
        Fact(ts_ns=500_001_000, pid=7, name="command", data=command),
    ]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "true.gotrace"
    write_recording(path, HEADER, events())
    return path
