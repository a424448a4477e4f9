"""Which process is meant, and each reason why it cannot be attached to: real processes, and made-up /proc files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.capture import procstat, targets
from gotrace.errors import NotPermittedError, UsageError
from gotrace.host import kernel


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def made_up(monkeypatch: pytest.MonkeyPatch, files: dict[int, dict[str, str]]) -> None:
    """Have /proc hold these files of these processes, and nothing else."""
    monkeypatch.setattr(targets, "_text", lambda pid, name: files.get(pid, {}).get(name, ""))
    monkeypatch.setattr(targets, "_all_processes", lambda: iter(sorted(files)))
    monkeypatch.setattr(procstat, "descends", lambda pid, other: pid == other or pid == other + 1)


def test_a_process_of_ours_can_be_attached_to(sleeper: subprocess.Popen[bytes]) -> None:
    targets.check(sleeper.pid)
    targets.check_traceable(sleeper.pid)


def test_a_process_that_is_gone() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    with pytest.raises(UsageError, match=f"^there is no process {gone.pid}$"):
        targets.check(gone.pid)


@pytest.mark.parametrize("pid", [0, -1, 1 << 40])
def test_a_number_that_no_process_has(pid: int) -> None:
    with pytest.raises(UsageError, match=f"^there is no process {pid}$"):
        targets.check(pid)


def test_a_zombie() -> None:
    with subprocess.Popen(["true"]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UsageError, match=rf"has ended already: it is a zombie.*process {os.getpid()}\)"):
            targets.check(zombie.pid)


def test_a_thread() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with pytest.raises(UsageError, match=f"{thread.native_id} is a thread of process {os.getpid()}") as caught:
            targets.check(thread.native_id or 0)
    finally:
        over.set()
        thread.join()
    assert caught.value.remedy == f"gotrace attach {os.getpid()}"


def test_gotrace_itself() -> None:
    with pytest.raises(UsageError, match="is gotrace itself"):
        targets.check(os.getpid())


def test_a_kernel_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(
        monkeypatch,
        {7: {"status": "Name:\tkworker\nTgid:\t7\n", "comm": "kworker\n", "stat": "7 (k) R) I 2 0 0 0 -1 69238880 0"}},
    )
    monkeypatch.setattr(procstat, "state", lambda _pid: "I")
    with pytest.raises(UsageError, match=r"process 7 \(kworker\) is a kernel thread"):
        targets.check(7)


def test_a_process_of_somebody_else(monkeypatch: pytest.MonkeyPatch, sleeper: subprocess.Popen[bytes]) -> None:
    def refused(_path: str) -> str:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(NotPermittedError, match=r"\(sleep\) belongs to \w+, not to uid 12345") as caught:
        targets.check(sleeper.pid)
    assert caught.value.remedy == f"sudo gotrace attach {sleeper.pid}"


def test_a_process_that_has_a_tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {7: {"status": "TracerPid:\t9\n", "comm": "app\n"}, 9: {"comm": "dlv\n"}})
    with pytest.raises(UsageError, match=r"process 7 \(app\) is traced by process 9 \(dlv\) already") as caught:
        targets.check_traceable(7)
    assert "--backend ebpf 7" in caught.value.remedy


@pytest.mark.parametrize(
    ("scope", "who", "remedy"),
    [
        ("1", "only a process's ancestors may trace it", "sudo gotrace attach 7"),
        ("2", "only root may trace", "sudo gotrace attach 7"),
        ("3", "nobody may trace", "sudo gotrace attach --backend ebpf 7"),
    ],
)
def test_yama(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scope: str, who: str, remedy: str) -> None:
    (tmp_path / "ptrace_scope").write_text(scope + "\n")
    monkeypatch.setattr(kernel, "_YAMA", tmp_path / "ptrace_scope")
    monkeypatch.setattr(targets, "holds", lambda *_: False)
    made_up(monkeypatch, {7: {"status": "TracerPid:\t0\n"}})
    with pytest.raises(NotPermittedError, match=f"Yama forbids it: {who}") as caught:
        targets.check_traceable(7)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("scope", ["0", "1", "2"])
def test_yama_lets_whoever_may_trace_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scope: str) -> None:
    (tmp_path / "ptrace_scope").write_text(scope + "\n")
    monkeypatch.setattr(kernel, "_YAMA", tmp_path / "ptrace_scope")
    monkeypatch.setattr(targets, "holds", lambda *_: True)
    made_up(monkeypatch, {7: {"status": "TracerPid:\t0\n"}})
    targets.check_traceable(7)


def test_a_program_that_is_not_of_go_is_a_note(sleeper: subprocess.Popen[bytes]) -> None:
    assert f"process {sleeper.pid} (sleep) is no Go program" in targets.note(sleeper.pid)


def test_a_process_is_found_by_the_name_of_its_file(tmp_path: Path) -> None:
    program = tmp_path / "a-rather-long-name-of-a-program"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert targets.named(program.name) == process.pid


def test_no_process_of_that_name() -> None:
    with pytest.raises(UsageError, match="there is no process called 'no-such-program-anywhere'"):
        targets.named("no-such-program-anywhere")


def app(**more: str) -> dict[str, str]:
    return {"comm": "app\n", "stat": "1 (app) S 0 0 0 0 -1 0 0", "cmdline": "/srv/app\0-x\0", **more}


def test_of_a_family_the_head_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {70: app(), 71: app()})
    monkeypatch.setattr(procstat, "state", lambda _pid: "S")
    assert targets.named("app") == 70


def test_two_that_are_no_family_are_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {70: app(), 90: app()})
    monkeypatch.setattr(procstat, "state", lambda _pid: "S")
    with pytest.raises(UsageError, match=r"more than one process called 'app': 70 .*/srv/app -x.*, 90") as caught:
        targets.named("app")
    assert caught.value.remedy == "choose one: gotrace attach 70"


IDENTITY = "3f2a9c0d" * 8


@pytest.mark.parametrize(
    "group",
    [
        f"0::/system.slice/docker-{IDENTITY}.scope\n",
        f"0::/docker/{IDENTITY}\n",
        f"12:pids:/docker/{IDENTITY}/inner\n",
        f"0::/machine.slice/libpod-{IDENTITY}.scope/container\n",
        f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{IDENTITY}.scope\n",
        f"0::/kubepods/burstable/pod1/crio-{IDENTITY}\n",
        f"0::/kubelet/cri-containerd:{IDENTITY}\n",
    ],
)
@pytest.mark.parametrize("given", [IDENTITY, IDENTITY[:12], IDENTITY[:4]])
def test_the_first_process_of_a_container(monkeypatch: pytest.MonkeyPatch, group: str, given: str) -> None:
    files = {
        60: app(cgroup="0::/user.slice/session-3f2a.scope-3f2\n"),
        70: app(cgroup=group),
        71: app(cgroup=group),
        80: app(cgroup=f"0::/docker/00{IDENTITY[2:]}\n"),
    }
    made_up(monkeypatch, files)
    assert targets.in_container(given) == 70


@pytest.mark.parametrize("given", ["", "3f2", "web", "3F2A9C", "../3f2a9c"])
def test_what_is_no_id_of_a_container(given: str) -> None:
    with pytest.raises(UsageError, match="not the id of a container"):
        targets.in_container(given)


def test_a_container_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(monkeypatch, {70: app(cgroup="0::/\n")})
    with pytest.raises(UsageError, match="no process in a container whose id begins with 3f2a9c"):
        targets.in_container("3f2a9c")


@pytest.mark.parametrize(
    ("may_trace", "why", "remedy"),
    [
        (True, "refused even to root, which has CAP_SYS_PTRACE: .* such as landlock here", "outside of the container"),
        (False, "refused to this root, which lacks CAP_SYS_PTRACE", "--cap-add=SYS_PTRACE"),
    ],
)
def test_what_is_refused_to_root_is_not_told_to_become_root(
    monkeypatch: pytest.MonkeyPatch, may_trace: bool, why: str, remedy: str
) -> None:
    made_up(monkeypatch, {7: {"status": "Name:\tapart\nTgid:\t7\nUid:\t0\t0\t0\t0\n", "comm": "apart\n"}})

    def refused(_path: str) -> str:
        raise PermissionError

    monkeypatch.setattr(os, "readlink", refused)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(procstat, "state", lambda _: "S")
    monkeypatch.setattr(targets, "holds", lambda *_: may_trace)
    monkeypatch.setattr(targets, "active", lambda: ("capability", "lockdown", "landlock"))
    with pytest.raises(NotPermittedError, match=why) as found:
        targets.check(7)
    assert remedy in found.value.remedy
    assert "sudo" not in found.value.remedy
