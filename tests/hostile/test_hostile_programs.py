"""Programs that misbehave on purpose, under the eBPF source."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gotrace.events.model import Exit
from tests.integration.observing import observe

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests" / "integration" / "programs"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    built = {}
    for name in ("thread_exec", "many_children", "daemon", "empty_argv", "storm"):
        subprocess.run(["gcc", "-O1", "-pthread", "-o", folder / name, SOURCES / f"{name}.c"], check=True)
        built[name] = str(folder / name)
    return built


def test_an_empty_argument_vector(program: dict[str, str]) -> None:
    seen = observe([program["empty_argv"], "/bin/true"])

    assert [e.argv for e in seen.execs()] == [(program["empty_argv"], "/bin/true"), ("",)]
    assert seen.lost == []


def test_two_megabytes_of_arguments_are_whole_while_the_process_lives() -> None:
    words = ["x" * 100_000] * 19
    seen = observe(["/bin/sh", "-c", "sleep 0.5", *words], env={})

    (shell, *_) = seen.execs()
    assert shell.argv == ("/bin/sh", "-c", "sleep 0.5", *words)
    assert shell.argv_bytes is None


def test_arguments_of_a_process_that_is_gone_tell_their_true_length() -> None:
    words = ["y" * 100_000] * 5
    # Nobody reads the buffer while it lives: the first look comes a second later.
    seen = observe(["/bin/true", *words], env={}, period=1.0)

    (event,) = seen.execs()
    assert event.argv is not None
    assert event.argv_bytes == len("/bin/true") + 1 + 5 * 100_001
    assert 30_000 < sum(len(word) + 1 for word in event.argv) < 33_000


def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff\x1b[31m\\dir")
    folder.mkdir()
    script = folder / "to\nol"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)

    seen = observe([str(script)], env={"A\udcfe": "\udcff"})

    event = seen.execs()[-1]
    assert event.path.endswith("/\\xff\x1b[31m\\\\dir/to\nol")
    assert event.env == {"A\\xfe": "\\xff"}
    assert seen.exits()[-1].status == 3


def test_an_exec_from_a_thread_that_is_not_the_leader(program: dict[str, str]) -> None:
    seen = observe([program["thread_exec"], "/bin/sh", "-c", "cat /nowhere; exit 5"])

    assert [e.argv[0] if e.argv else None for e in seen.execs()] == [program["thread_exec"], "/bin/sh", "cat"]
    assert {e.pid for e in seen.execs()[:2]} == {seen.pid}
    assert next(e for e in seen.exits() if e.pid == seen.pid).status == 5
    assert len([e for e in seen.errors("openat") if e.paths == ("/nowhere",)]) == 1


def test_five_thousand_short_lived_children(program: dict[str, str]) -> None:
    seen = observe([program["many_children"], "5000"])

    children = Counter(e.status for e in seen.exits() if e.pid != seen.pid)
    assert seen.lost == []
    assert len(seen.forks()) == 5000
    assert children == Counter(number & 127 for number in range(5000))


def test_a_child_that_daemonises_is_followed(program: dict[str, str]) -> None:
    seen = observe([program["daemon"]])

    assert [e.errno for e in seen.errors("access") if e.paths == ("/nowhere/from-the-daemon",)] == [errno.ENOENT]
    assert sorted(e.status or 0 for e in seen.exits()) == [0, 0, 7]


def test_what_does_not_fit_is_counted_to_the_last_call(program: dict[str, str]) -> None:
    calls = 300_000
    # One look after all is over: the buffer cannot hold that many.
    seen = observe([program["storm"], "2", str(calls // 2)], period=3.0)

    arrived = len([e for e in seen.errors("access") if e.paths == ("/nowhere/at/all",)])
    lost = sum(e.count for e in seen.lost if e.what == "syscall_error")
    others = len([e for e in seen.events if getattr(e, "syscall", "")]) - arrived
    assert lost > 0
    assert arrived + lost == calls
    assert others < 20


def test_killed_from_outside_half_way(program: dict[str, str]) -> None:
    seen = observe(["/bin/sh", "-c", "sleep 30 & sleep 0.2; kill -9 $! ; kill -TERM $$"])

    ends = {(e.status, e.signal) for e in seen.events if isinstance(e, Exit)}
    assert ends == {(None, 9), (0, None), (None, 15)}


@pytest.mark.root("makes a PID namespace")
def test_inner_pid_namespaces_are_told_beside_ours() -> None:
    seen = observe(["/usr/bin/unshare", "-pf", "/bin/sh", "-c", "cat /nowhere"], env={"PATH": "/usr/bin:/bin"})

    shell = seen.execs()[1]
    assert (shell.argv or ("",))[0] == "/bin/sh"
    assert (shell.ns_pid, shell.pid in {e.child_pid for e in seen.forks()}) == (1, True)
    assert seen.errors("openat")[-1].ns_pid in {1, 2}


@pytest.mark.root("makes a PID namespace")
def test_gotrace_inside_a_pid_namespace_numbers_as_that_namespace_does() -> None:
    code = (
        "import json; from tests.integration.observing import observe;"
        "o = observe(['/bin/sh', '-c', 'cat /nowhere; true']);"
        "print(json.dumps([o.pid, [(e.pid, e.tid, e.ns_pid) for e in o.events], [e.child_pid for e in o.forks()]]))"
    )
    done = subprocess.run(
        ["unshare", "-pf", "--mount-proc", sys.executable, "-c", code],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    pid, seen, children = json.loads(done.stdout)
    assert {entry[0] for entry in seen} == {pid, *children}
    assert all(number < 50 for number in (pid, *children))
    assert all(tid == own and inner is None for own, tid, inner in seen)


def test_an_environment_over_32_kilobytes_is_whole_while_the_process_lives() -> None:
    seen = observe(["/bin/sh", "-c", "sleep 0.5"], env={"LONG": "z" * 100_000, "CGO_ENABLED": "0"})

    (shell, *_) = seen.execs()
    assert shell.env is not None
    assert (len(shell.env["LONG"]), shell.env["CGO_ENABLED"]) == (100_000, "0")


def test_half_an_environment_is_none() -> None:
    seen = observe(["/bin/true"], env={"LONG": "z" * 100_000, "CGO_ENABLED": "0"}, period=1.0)

    assert seen.execs()[0].env is None
