"""Starts `gotrace build` and looks at it from outside: its processes, and what its collector holds in the kernel."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from tests.integration.kernel_state import loaded_programs

_MARK = "LC_GOTRACE_TEST"
"""A variable by which processes are known again, also below sudo, which keeps the LC_ ones."""

Answer = TypeVar("Answer")


def wait_for(question: Callable[[], Answer], seconds: float = 60.0) -> Answer:
    """The first true answer. A minute is for machines under load, not what is expected."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return answer


def status_of(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status; empty where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def command_line(pid: int) -> str:
    """Arguments with blanks between, empty where the process is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def marked(env: Mapping[str, str]) -> dict[str, str]:
    """A copy of an environment with a mark that no other run has."""
    return {**env, _MARK: secrets.token_hex(8)}


def processes_of(env: Mapping[str, str]) -> list[int]:
    """Living processes that were started with that marked environment, or by one that was."""
    mark, found = f"{_MARK}={env[_MARK]}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def programs_of(pid: int) -> set[int]:
    """Ids of the BPF programs that a process holds."""
    ids: set[int] = set()
    try:
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            ids.update(int(number) for number in re.findall(r"^prog_id:\s*(\d+)", info.read_text(), re.MULTILINE))
    except OSError:
        pass
    return ids


class Running:
    """A `gotrace build` that runs. As a context manager it ends whatever of it is left."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        *,
        cwd: Path | None = None,
        user: str | None = None,
        own_group: bool = False,
    ) -> None:
        self.env = marked(env)
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        self.process = subprocess.Popen(
            [*as_user, *(str(word) for word in argv)],
            env=self.env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0 if own_group else None,
        )

    def processes(self) -> list[int]:
        """All processes of this run, gotrace's own and the command's."""
        return processes_of(self.env)

    def collector(self) -> int:
        """The process that holds the programs."""
        return wait_for(lambda: next((pid for pid in self.processes() if programs_of(pid)), 0))

    def command(self, start: str) -> int:
        """The command, whose command line begins so; what it forks has the same until it executes something else."""

        def find() -> int:
            found = [pid for pid in self.processes() if status_of(pid).get("PPid") == str(self.process.pid)]
            return next((pid for pid in found if command_line(pid).startswith(start)), 0)

        return wait_for(find)

    def end(self, seconds: float = 120.0) -> tuple[int, str, str]:
        """Wait for it: exit code, stdout, stderr."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, _text(out), _text(err)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            _close(stream)


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="backslashreplace")


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def nothing_loaded_of(programs: set[int]) -> bool:
    """None of these programs is in the kernel any more."""
    return not programs & set(loaded_programs())


def nothing_stopped(pids: Sequence[int]) -> bool:
    """None of these processes is stopped."""
    return not any(status_of(pid).get("State", "").startswith(("T", "t")) for pid in pids)


def nothing_lost(shown: str) -> bool:
    """Whether a terminal report says so, wherever its lines end."""
    return "nothing lost" in " ".join(shown.split())
