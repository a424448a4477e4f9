"""Commands and machines that make it hard for `gotrace build`: it says what it could not do, and does the rest."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import gotrace
from gotrace.events.model import Exec, Output
from gotrace.events.recording import read_recording
from tests.integration.conftest import GOTRACE, ROOT
from tests.integration.projects import go_module
from tests.integration.watching import Running, command_line, nothing_lost, wait_for

SOURCES = ROOT / "tests" / "integration" / "programs"

pytestmark = pytest.mark.root("mounts file systems for gotrace to run on")

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of compiled programs."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("many_children", "storm"):
        subprocess.run(["gcc", "-O1", "-pthread", "-o", folder / name, SOURCES / f"{name}.c"], check=True)
    return folder


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    chosen = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    cache = tmp_path_factory.mktemp("cache")
    more = {"LC_ALL": "C.UTF-8", "GOENV": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(cache / "go")}
    return chosen | more | {"XDG_CACHE_HOME": str(cache)}


def build(
    *command: str | Path, cwd: Path, env: Mapping[str, str], options: tuple[str | Path, ...] = (), where: str = ""
) -> Done:
    """`gotrace build` in a mount namespace in which the shell commands `where` were run first."""
    words = [str(word) for word in (GOTRACE, "build", *options, "--", *command)]
    around = ["unshare", "-m", "sh", "-ec", f'{where}\nexec "$@"', "_"] if where else []
    return subprocess.run(
        [*around, *words],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
        timeout=120,
    )


def told(report: Path) -> dict[str, Any]:
    return dict(json.loads(report.read_text()))


def assert_one_clear_error(done: Done, *words: str) -> None:
    """One line of error, one of remedy, exit status 125."""
    lines = done.stderr.splitlines()
    assert done.returncode == 125, done.stderr
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("gotrace: error: ")
    for word in words:
        assert word in done.stderr


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "expected"), [(0, 125), (7, 7)])
def test_no_room_for_the_recording(
    programs: Path, env: dict[str, str], tmp_path: Path, status: int, expected: int
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    left = tmp_path / "left"
    script = f"{programs}/many_children 3000; exit {status}"
    where = f'mount -t tmpfs -o size=64k none {small}\n"$@" || code=$?; ls -A {small} >{left}; exit ${{code:-0}}'
    done = build("sh", "-c", script, cwd=tmp_path, env=env, options=("-o", small / "x.gotrace"), where=where)
    assert done.returncode == expected
    assert "3002 processes" in done.stderr, done.stderr
    assert "No space left on device" in done.stderr
    assert left.read_text() == "", "no half a recording stays"


def test_no_room_for_the_spool(programs: Path, env: dict[str, str], tmp_path: Path) -> None:
    small, report = tmp_path / "small", tmp_path / "report.json"
    small.mkdir()
    done = build(
        *(programs / "storm", "2", "5000"),
        cwd=tmp_path,
        env=env | {"XDG_CACHE_HOME": str(small)},
        options=("--report", f"json:{report}"),
        where=f"mount -t tmpfs -o size=64k none {small}",
    )
    lost = [one for one in told(report)["lost"] if "no space left" in one["reason"]]
    assert done.returncode == 0, done.stderr
    assert not nothing_lost(done.stderr)
    assert sum(one["count"] for one in lost if one["what"] == "syscall_error") > 5000
    assert told(report)["command"]["exit"] == 0


# --- commands that end strangely -------------------------------------------------------------------------------------


def test_a_build_killed_half_way(env: dict[str, str], tmp_path: Path) -> None:
    """go is killed while its tools run, which here never end."""
    folder = go_module(tmp_path / "app", {"main.go": "package main\n\nfunc main() {}\n"})
    never_ends = tmp_path / "never-ends"
    begun = tmp_path / "begun"
    never_ends.write_text(f'#!/bin/sh\ncase "$2" in -V=full) exec "$@" ;; esac\ntouch {begun}\nexec sleep 1000\n')
    never_ends.chmod(0o755)
    recording = tmp_path / "killed.gotrace"
    command = ["go", "build", "-a", "-toolexec", str(never_ends), "-o", "app", "."]
    with Running([GOTRACE, "build", "-o", recording, "--", *command], env, cwd=folder) as run:
        wait_for(begun.exists)
        os.kill(run.command("go build"), signal.SIGKILL)
        assert run.process.wait(timeout=60) == -signal.SIGKILL
        still = [pid for pid in run.processes() if command_line(pid) == "sleep 1000"]
        assert still, "gotrace ends nobody"
    trace = gotrace.load(recording)
    assert trace.damage is None
    assert any("still ran when the command ended" in one for one in trace.header.degraded)
    again = subprocess.run([GOTRACE, "report", recording], env=env, capture_output=True, text=True, check=False)
    assert again.returncode in {0, 1}
    assert "killed" in again.stdout or "signal" in again.stdout.lower()


def test_a_daemon_goes_on_after_gotrace(env: dict[str, str], tmp_path: Path) -> None:
    daemon = "while [ ! -e go-on ]; do sleep 0.05; done; touch done"
    script = f"setsid -f sh -c {shlex.quote(daemon)} >/dev/null 2>&1 </dev/null; exit 3"
    done = build("sh", "-c", script, cwd=tmp_path, env=env, options=("--report", f"json:{tmp_path}/report.json"))
    assert done.returncode == 3
    assert any("still ran when the command ended" in one for one in told(tmp_path / "report.json")["degraded"])
    assert not (tmp_path / "done").exists()
    (tmp_path / "go-on").touch()
    wait_for((tmp_path / "done").exists)


def test_a_command_in_a_session_of_its_own(env: dict[str, str], tmp_path: Path) -> None:
    done = build("setsid", "-w", "sh", "-c", "cat /nowhere; exit 6", cwd=tmp_path, env=env)
    assert done.returncode == 6
    assert nothing_lost(done.stderr)


def test_five_thousand_children(programs: Path, env: dict[str, str], tmp_path: Path) -> None:
    recording = tmp_path / "many.gotrace"
    done = build(programs / "many_children", "5000", cwd=tmp_path, env=env, options=("-o", recording))
    assert done.returncode == 0
    assert nothing_lost(done.stderr)
    trace = gotrace.load(recording)
    assert len(trace.processes) == 5001
    assert not trace.lost


def test_two_runs_at_once_see_each_their_own(env: dict[str, str], tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        script = f"touch {name}; while [ ! -e first ] || [ ! -e second ]; do sleep 0.05; done; cat /nowhere/{name}"
        options = ["--report", f"json:{tmp_path}/{name}.json", "-o", f"{name}.gotrace"]
        runs.append(Running([GOTRACE, "build", *options, "--", "sh", "-c", script], env, cwd=tmp_path))
    for run in runs:
        with run:
            code, _, err = run.end()
            assert code == 1
            assert nothing_lost(err)
    for name, other in (("first", "second"), ("second", "first")):
        text = (tmp_path / f"{name}.gotrace").read_text()
        assert f"/nowhere/{name}" in text
        assert f"/nowhere/{other}" not in text


# --- text that means something to terminals, CI and rich -------------------------------------------------------------

HOSTILE = "[bold]red[/bold]\x1b]0;title\x07\x1b[31m\x9b2J\u202etxt\r\n::error file=x::owned\n##[error]owned\n"
NAME = "[bold]\x1b[31m\u202e\n::error::x"
TOOL = "#include <unistd.h>\nint main(void) { write(2, text, sizeof text - 1); return 1; }\n"


def unsafe(text: str) -> list[str]:
    """Control and format characters in it, but for line ends."""
    return [hex(ord(one)) for one in text if one != "\n" and unicodedata.category(one) in {"Cc", "Cf"}]


def test_hostile_names_and_messages(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    octal = "".join(f"\\{byte:03o}" for byte in HOSTILE.encode())
    (tmp_path / "tool.c").write_text(f'static const char text[] = "{octal}";\n{TOOL}')
    subprocess.run(["gcc", "-o", folder / "gcc", tmp_path / "tool.c"], check=True)
    recording, report = tmp_path / "x.gotrace", tmp_path / "x.json"
    options = ("-o", recording, "--report", f"json:{report}")
    done = build(f"{NAME}/gcc", HOSTILE, "-c", f"{HOSTILE}.c", cwd=tmp_path, env=env, options=options)
    assert done.returncode == 1
    assert done.stderr.startswith("[bold]red[/bold]\x1b]0;title"), (
        "what the command itself writes is not ours to change"
    )

    again = subprocess.run([GOTRACE, "report", recording], env=env, capture_output=True, text=True, check=False)
    for text in (done.stderr[done.stderr.index("gotrace: ") :], again.stdout):
        assert "[bold]" in text
        assert unsafe(text) == []
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert unsafe(report.read_text()) == []

    events = read_recording(recording).events
    assert "".join(one.text for one in events if isinstance(one, Output)) == HOSTILE
    (tool,) = [one for one in events if isinstance(one, Exec) and one.path.endswith("/gcc")]
    assert tool.argv == (f"{NAME}/gcc", HOSTILE, "-c", f"{HOSTILE}.c")


# --- machines that lack something ------------------------------------------------------------------------------------


def test_inside_a_pid_namespace(env: dict[str, str], tmp_path: Path) -> None:
    inside = ["unshare", "-pf", "--mount-proc", str(GOTRACE), "build", "-o", str(tmp_path / "x.gotrace"), "--"]
    command = [*inside, "sh", "-c", "cat /nowhere; exit 4"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 4, done.stderr
    assert nothing_lost(done.stderr)
    trace = gotrace.load(tmp_path / "x.gotrace")
    assert all(process.pid < 100 for process in trace.processes)


EBPF = ("--backend", "ebpf")


def test_root_of_a_user_namespace_only(env: dict[str, str], tmp_path: Path) -> None:
    command = ["unshare", "-Ur", str(GOTRACE), "build", *EBPF, "--", "touch", "has-run"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert_one_clear_error(done, "eBPF cannot be used: the kernel refuses it", "root of the machine")
    assert not (tmp_path / "has-run").exists()


def test_a_kernel_without_btf(env: dict[str, str], tmp_path: Path) -> None:
    done = build("touch", "has-run", cwd=tmp_path, env=env, options=EBPF, where="mount -t tmpfs none /sys/kernel/btf")
    assert_one_clear_error(done, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF=y")
    assert not (tmp_path / "has-run").exists()


EMPTY_CACHE = "mount -t tmpfs none /var/cache"
HIDE_BCC = "for bcc in /usr/lib/python3/dist-packages/bcc; do mount -t tmpfs none $bcc; done"


def test_without_bcc_and_without_compiled_probes(env: dict[str, str], tmp_path: Path) -> None:
    done = build("touch", "has-run", cwd=tmp_path, env=env, options=EBPF, where=f"{EMPTY_CACHE}\n{HIDE_BCC}")
    assert_one_clear_error(done, "BCC is not installed", "apt-get install python3-bpfcc")
    assert not (tmp_path / "has-run").exists()


def test_without_bcc_compiled_probes_are_enough(env: dict[str, str], tmp_path: Path) -> None:
    warm = f"{EMPTY_CACHE}\n{GOTRACE} build -q -- true\n{HIDE_BCC}"
    done = build("echo", "works", cwd=tmp_path, env=env, options=EBPF, where=warm)
    assert (done.returncode, done.stdout) == (0, "works\n"), done.stderr


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("mount -t tmpfs none /sys/kernel/btf", "no /sys/kernel/btf/vmlinux"),
        (f"{EMPTY_CACHE}\n{HIDE_BCC}", "BCC is not installed"),
        ('exec unshare -U --map-root-user "$@"', "the kernel refuses it (Operation not permitted)"),
    ],
)
def test_what_ebpf_lacks_is_told_in_one_line_and_ptrace_watches(
    env: dict[str, str], tmp_path: Path, where: str, why: str
) -> None:
    report = tmp_path / "report.json"
    options = ("--report", f"json:{report}")
    done = build("sh", "-c", "echo works; cat /nowhere", cwd=tmp_path, env=env, options=options, where=where)
    assert (done.returncode, done.stdout) == (1, "works\n"), done.stderr
    assert nothing_lost(done.stderr)
    said = told(report)
    assert (said["source"], said["not_evaluated"]) == ("ptrace", [])
    assert said["degraded"] == [f"watched by ptrace, not eBPF: {why}"]
    assert said["counts"]["failed_calls"] > 0


def test_neither_tracefs_nor_kernel_headers_are_needed(env: dict[str, str], tmp_path: Path) -> None:
    hidden = "/sys/kernel/tracing /sys/kernel/debug /lib/modules /usr/src"
    where = f"""{EMPTY_CACHE}
        for folder in {hidden}; do [ ! -d $folder ] || mount -t tmpfs none $folder; done
        for gone in /sys/kernel/tracing/events /sys/kernel/debug/tracing /lib/modules/*/build /usr/src/linux*; do
            [ ! -e $gone ]
        done"""
    done = build("sh", "-c", "echo works; cat /nowhere", cwd=tmp_path, env=env, options=EBPF, where=where)
    assert (done.returncode, done.stdout) == (1, "works\n"), done.stderr
    assert nothing_lost(done.stderr)
