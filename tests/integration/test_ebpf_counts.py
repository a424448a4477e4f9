"""23 happenings, 23 events: programs with known counts, cross-checked with strace."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from gotrace.events.model import SyscallError
from tests.integration.observing import observe

TIMES = 23
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def happenings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("programs") / "happenings"
    subprocess.run(["gcc", "-static", "-no-pie", "-O1", "-o", program, PROGRAMS / "happenings.c"], check=True)
    return program


def test_each_thing_done_23_times_is_seen_23_times(happenings: Path) -> None:
    seen = observe([str(happenings)])

    assert seen.lost == []
    assert seen.wait_status >> 8 == TIMES
    assert [(e.status, e.signal) for e in seen.exits()] == [*((i, None) for i in range(TIMES)), (TIMES, None)]
    assert len(seen.forks()) == TIMES
    assert len(seen.execs()) == 1
    refused = seen.execs(failed=True)
    assert len(refused) == TIMES
    assert {(e.path, e.argv, e.error) for e in refused} == {("/nowhere/absent", ("absent", "--flag"), errno.ENOENT)}
    assert Counter((e.abi, e.syscall, e.errno, e.paths) for e in seen.events if isinstance(e, SyscallError)) == {
        ("x86_64", "access", errno.ENOENT, ("/nowhere/access",)): TIMES,
        ("x86_64", "renameat2", errno.ENOENT, ("/nowhere/old-\\xff\\\\", "/nowhere/new")): TIMES,
        ("x86_64", "close", errno.EBADF, ()): TIMES,
        ("i386", "access", errno.ENOENT, ("/nowhere/i386",)): TIMES,
    }
    assert seen.output(seen.pid) == "one two\nline\n" * TIMES


def test_a_process_whose_threads_end_at_the_same_moment_ends_once(tmp_path: Path) -> None:
    """Each of them may find that it is the last one; one process in seven was told of twice when that was believed."""
    program = tmp_path / "ends_together"
    subprocess.run(["gcc", "-O1", "-pthread", "-o", program, PROGRAMS / "ends_together.c"], check=True)

    seen = observe([str(program), "500"])

    assert (seen.lost, seen.wait_status) == ([], 0)
    assert (len(seen.forks()), len(seen.exits())) == (500, 501)
    assert {event.pid for event in seen.exits()} == {seen.pid, *(event.child_pid for event in seen.forks())}


def test_numbers_of_failures_are_those_that_strace_counts(happenings: Path, tmp_path: Path) -> None:
    table = tmp_path / "strace.txt"
    subprocess.run(["strace", "-f", "-c", "-o", table, happenings], check=False, stderr=subprocess.DEVNULL)
    # strace prints a table of its own for the calls "for 32 bit mode".
    counted: dict[tuple[str, str], int] = {}
    abi = "x86_64"
    for line in table.read_text().splitlines():
        if "32 bit mode" in line:
            abi = "i386"
        fields = line.split()
        if len(fields) == 6 and re.fullmatch(r"\d+", fields[-2]) and fields[-1] != "total":
            counted[abi, fields[-1]] = int(fields[-2])

    seen = observe([str(happenings)])

    ours = Counter((e.abi, e.syscall) for e in seen.events if isinstance(e, SyscallError))
    ours["x86_64", "execve"] = len(seen.execs(failed=True))
    for name, number in seen.noise.items():
        ours["x86_64", name.split()[0]] += number
    assert counted["i386", "access"] == TIMES
    assert {name: ours[name] for name in counted} == counted


@pytest.mark.parametrize(("length", "kept", "told"), [(500, 500, None), (600, 511, 0)])
def test_an_argument_of_a_refused_exec_that_was_cut_is_said_to_be(length: int, kept: int, told: int | None) -> None:
    refused = f"import os\ntry: os.execv('/etc/hostname', ['x', 'a' * {length}, 'b'])\nexcept OSError: pass"

    seen = observe([sys.executable, "-c", refused])

    [attempt] = [one for one in seen.execs(failed=True) if one.path == "/etc/hostname"]

    assert attempt.argv is not None
    assert ([len(word) for word in attempt.argv], attempt.argv_bytes) == ([1, kept, 1], told)


def test_argv_environment_and_folder_of_an_exec(tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "c"
    folder.mkdir(parents=True)
    inner = ["/bin/sh", "-c", f"cd '{folder}' && exec /bin/true 'two words' ''"]

    seen = observe(inner, env={"CC": "gcc", "ODD": "\udcff\\"})

    shell, last = seen.execs()
    assert shell.argv == tuple(inner)
    assert (last.path, last.argv, last.cwd) == ("/bin/true", ("/bin/true", "two words", ""), str(folder))
    assert shell.env is not None
    assert (shell.env["CC"], shell.env["ODD"]) == ("gcc", "\\xff\\\\")


def test_a_working_directory_on_another_mount_is_whole() -> None:
    seen = observe(["/bin/sh", "-c", "cd /proc/sys/kernel && exec /bin/true"])

    assert seen.execs()[-1].cwd == "/proc/sys/kernel"
