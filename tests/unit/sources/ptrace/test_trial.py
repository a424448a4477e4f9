"""Whether ptrace works here: a real attempt, and what is said where it is refused."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.host import kernel
from gotrace.sources.base import Lack
from gotrace.sources.ptrace import trial
from gotrace.sources.ptrace.source import PtraceSource
from gotrace.sources.ptrace.trial import Trial, attempt, lacks

ROOT = Path(__file__).resolve().parents[4]
PTRACE, SECCOMP = 101, 317


def without_capabilities(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "") -> None:
    status = folder / "status"
    status.write_text(f"Name:\tgotrace\nTracerPid:\t0\nCapEff:\t0000000000000000\n{more}")
    monkeypatch.setattr(trial, "_STATUS", status)


@pytest.fixture
def yama(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Sets the mode that Yama seems to be in."""
    file = tmp_path / "ptrace_scope"
    monkeypatch.setattr(kernel, "_YAMA", file)

    def set_mode(mode: str) -> None:
        file.write_text(f"{mode}\n")

    return set_mode


def in_a_child(work: Callable[[], object]) -> str:
    """What `work` returns in a child of ours, as text: what it does to itself ends with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


def forbid(number: int, problem: int) -> None:
    """Have a system call refused from now on, as the profile of a container does."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | problem), (0x06, 0, 0, 0x7FFF0000)]
    raw = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in code))
    program = struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(raw))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    assert libc.syscall(SECCOMP, 1, 0, program) == 0


def test_it_works_here_and_leaves_nothing_behind() -> None:
    assert attempt() == Trial("seccomp", 0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert "Seccomp:\t0" in Path("/proc/self/status").read_text()


@pytest.mark.parametrize("disposition", [signal.SIG_IGN, signal.SIG_DFL])
def test_it_works_where_nobody_waits_for_children(disposition: signal.Handlers) -> None:
    before = signal.signal(signal.SIGCHLD, disposition)
    try:
        assert attempt().problem == 0
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("mode", ["0", "1"])
def test_yama_allows_a_child_to_be_traced(yama: Callable[[str], None], mode: str) -> None:
    yama(mode)
    assert lacks() == []


def test_without_yama(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "_YAMA", tmp_path / "no-such-file")
    assert lacks() == []


def test_yama_for_administrators_only(
    yama: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    yama("2")
    without_capabilities(monkeypatch, tmp_path)
    (lack,) = lacks()
    assert "ptrace_scope=2" in lack.what
    assert "sudo sysctl kernel.yama.ptrace_scope=1" in lack.remedy
    assert lack.privilege


def test_administrators_may_in_that_mode(
    yama: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    yama("2")
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000080000\n")  # CAP_SYS_PTRACE
    monkeypatch.setattr(trial, "_STATUS", status)
    assert lacks() == []


def test_yama_for_nobody(yama: Callable[[str], None]) -> None:
    yama("3")
    (lack,) = lacks()
    assert "ptrace_scope=3" in lack.what
    assert "reboot" in lack.remedy
    assert not lack.privilege


@pytest.mark.parametrize(("number", "what"), [(PTRACE, "ptrace: "), (SECCOMP, "seccomp filters: ")])
def test_a_container_that_forbids_it(number: int, what: str) -> None:
    """A real seccomp filter in a real child, with the errno that container engines choose."""

    def work() -> list[Lack]:
        forbid(number, errno.EPERM)
        return lacks()

    answer = in_a_child(work)
    assert f"{what}operation not permitted" in answer
    assert "--cap-add=SYS_PTRACE" in answer
    assert "seccomp=unconfined" in answer


def test_a_kernel_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trial, "attempt", lambda: Trial("syscall info", errno.EIO))
    (lack,) = lacks()
    assert lack.remedy == "use Linux 5.3 or newer"


def test_a_security_module_that_forbids_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_capabilities(monkeypatch, tmp_path, "Seccomp:\t0\n")
    monkeypatch.setattr(trial, "attempt", lambda: Trial("seize", errno.EACCES))
    (lack,) = lacks()
    assert lack.what == "ptrace: permission denied"
    assert "security module" in lack.remedy
    assert "--sudo" in lack.remedy


def test_who_is_traced_cannot_trace_as_well() -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; `make setup` installs it")
    code = "from gotrace.sources.ptrace.trial import lacks; print(*lacks())"
    done = subprocess.run(
        [strace, "-f", "-o", os.devnull, sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "gotrace itself is traced" in done.stdout
    assert "run gotrace outside of it" in done.stdout


def test_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (lack,) = PtraceSource().missing()
    assert "aarch64" in lack.what
