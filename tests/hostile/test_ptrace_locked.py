"""Programs that lock themselves up, ask who watches them, trace each other, or have names that nobody expects."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.sources.ptrace.source import PtraceSource
from tests.hostile.watched import assert_every_exit_is_told, assert_harmless, both, ends, failures

pytestmark = pytest.mark.usefixtures("loop")

Hostile = Callable[[str], str]
WHEN_LOCKED = "/nowhere/when-locked"


# --- families --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["ends", "ignored", "death-of-a-parent"])
def test_what_families_learn_of_each_other(hostile: Hostile, question: str) -> None:
    """waitid, wait4 and waitpid; children that are ignored; PR_SET_PDEATHSIG and who takes over an orphan."""
    run = both(hostile("families"), question)
    assert_harmless(run)
    assert (
        len(failures(run.seen, "/nowhere/of-a-child")) == {"ends": 2, "ignored": 40, "death-of-a-parent": 1}[question]
    )


# --- locks -----------------------------------------------------------------------------------------------------------


def test_a_program_that_makes_itself_undumpable(hostile: Hostile) -> None:
    run = both(hostile("locked"), "not-dumpable")
    assert_harmless(run)
    assert run.seen.wait_status == 7 << 8
    assert run.traced.err == "said when locked\n"


def test_a_program_with_a_filter_of_its_own(hostile: Hostile) -> None:
    """What its filter refuses never gets to ours, so it is not seen; all else is."""
    run = both(hostile("locked"), "filter")
    assert_harmless(run)
    assert "mkdir: Too many links\n" in run.traced.out
    assert failures(run.seen, "/nowhere/refused") == []
    assert [one.errno for one in failures(run.seen, WHEN_LOCKED)] == [errno.ENOENT]
    assert [one.errno for one in run.seen.errors("mkdirat")] == [errno.ENOENT]


def test_a_supervisor_that_decides_the_calls_of_its_child(hostile: Hostile) -> None:
    run = both(hostile("locked"), "supervisor")
    assert_harmless(run)
    assert run.traced.out.startswith("supervised: Invalid cross-device link\nsupervised: No such file or directory\n")
    assert len(failures(run.seen, WHEN_LOCKED)) == 2


def test_strict_mode_is_refused_to_whoever_has_a_filter(hostile: Hostile) -> None:
    """As in a container, and as seccomp(2) says: a documented difference."""
    run = both(hostile("locked"), "strict")
    assert (run.bare.out, run.bare.wait_status) == ("strict: set\n", 7 << 8)
    assert (run.traced.out, run.traced.wait_status) == ("strict: refused\n", 7 << 8)


# --- debuggers -------------------------------------------------------------------------------------------------------


def test_who_asks_learns_that_it_is_traced(hostile: Hostile) -> None:
    """A documented difference."""
    run = both(hostile("locked"), "who")
    assert run.bare.out.startswith("traced: 0\n")
    assert run.traced.out == run.bare.out.replace("traced: 0", "traced: 1")


def test_who_wants_to_be_traced_by_its_parent_is_refused(hostile: Hostile) -> None:
    run = both(hostile("locked"), "traceme")
    assert run.bare.out.startswith("traceme: done\n")
    assert run.traced.out == run.bare.out.replace("done", "Operation not permitted")
    assert [one.errno for one in run.seen.errors("ptrace")] == [errno.EPERM]
    assert run.seen.wait_status == 7 << 8


def test_a_debugger_inside_says_why_it_cannot_and_its_call_is_told() -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed; `make setup` installs it")
    run = both(strace, "-o", "/dev/null", "/bin/sh", "-c", "exit 3")
    assert run.bare.wait_status == 3 << 8
    assert "Operation not permitted" in run.traced.err
    assert run.traced.wait_status != 0
    assert errno.EPERM in [one.errno for one in run.seen.errors("ptrace")]
    assert_every_exit_is_told(run.seen)


def test_gotrace_inside_says_by_whom_it_is_traced() -> None:
    script = "from gotrace.sources.ptrace.source import PtraceSource\nprint(PtraceSource().missing())"
    assert PtraceSource().missing() == []
    run = both(sys.executable, "-c", script)
    assert run.bare.out == "[]\n"
    assert "gotrace itself is traced, by process" in run.traced.out
    assert "one tracer at a time" in run.traced.out


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"with\nlines\n", b") R 1 (", b"\xff\xfe", b"\x1b[31m", b"-rf *", b"(x) (deleted)"])
def test_odd_names_of_programs_and_files(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    program = shutil.copy("/bin/cat", folder / folder.name)
    run = both(str(program), str(folder / f"missing {folder.name}"))
    assert_harmless(run)
    shown = str(tmp_path) + "/"
    (execution,) = run.seen.execs()
    assert execution.path.startswith(shown)
    assert execution.argv is not None
    assert execution.argv[1].startswith(shown)
    assert [one.errno for one in failures(run.seen, execution.argv[1])] == [errno.ENOENT]
    assert ends(run.seen) == {(1, None): 1}


# --- namespaces ------------------------------------------------------------------------------------------------------


@pytest.mark.root("makes a PID namespace")
def test_the_first_process_of_a_pid_namespace() -> None:
    """It takes over orphans, and all others end with it."""
    script = "(sleep 100 & cat /nowhere/$$); exec sh -c 'kill -TERM $$; exit 5'"
    run = both("/usr/bin/unshare", "-pf", "--mount-proc", "/bin/sh", "-c", script)
    assert_harmless(run)
    assert len(failures(run.seen, "/nowhere/1")) == 1
    assert ends(run.seen)[None, 9] == 1, "the sleep"
    assert all(one.ns_pid is not None for one in run.seen.errors("openat") if one.paths == ("/nowhere/1",))


# --- daemons ---------------------------------------------------------------------------------------------------------


def test_an_orphan_in_a_session_of_its_own_is_followed(tmp_path: Path) -> None:
    """It forks twice and goes on after its parents; the command itself waits for a sign of it."""
    script = (
        "setsid sh -c '(while [ ! -e parents-gone ]; do sleep 0.01; done; cat /nowhere/of-the-orphan; echo > done) &';"
        " : > parents-gone; while [ ! -e done ]; do sleep 0.01; done; rm done parents-gone"
    )
    run = both("/bin/sh", "-c", f"cd {tmp_path} && {{ {script}; }}")
    assert run.seen.wait_status == 0
    assert run.traced.err == run.bare.err
    assert len(failures(run.seen, "/nowhere/of-the-orphan")) == 1


def test_nothing_of_a_tracer_stays(hostile: Hostile) -> None:
    """Nor is anything of it mapped, or open, in the process that traced."""
    before = _own()
    both(hostile("processes"), "crowd", "20")
    assert _own() == before


def _own() -> tuple[list[str], int]:
    open_files = sorted(file.name for file in Path("/proc/self/fd").iterdir())
    mapped = Path("/proc/self/maps").read_text().count("/dev/zero")
    return open_files, mapped
