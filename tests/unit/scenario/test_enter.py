"""The program that sets an environment up: what needs neither root nor namespaces of it."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gotrace.scenario import enter, namespaces, refuse
from gotrace.scenario.plan import Plan, without_entering

Done = subprocess.CompletedProcess[str]

LITTLE = Plan(variables={"OF_THE_PLAN": "1"})
"""What is done for it changes nothing that matters here."""


def run(plan: Plan | str, *program: str, env: dict[str, str] | None = None) -> Done:
    words = plan.program() if isinstance(plan, Plan) else [*LITTLE.program()[:-2], plan, "--"]
    return subprocess.run(
        [*words, *program], capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **(env or {})}
    )


def test_the_program_takes_its_place() -> None:
    process = subprocess.Popen([*LITTLE.program(), "sh", "-c", "echo $$; exit 7"], stdout=subprocess.PIPE, text=True)
    printed, _ = process.communicate(timeout=60)
    assert (int(printed), process.returncode) == (process.pid, 7)


def test_it_runs_in_the_same_folder_with_the_same_words(tmp_path: Path) -> None:
    words = ["a b", "", "--", "$HOME", "ä"]
    program = [sys.executable, "-c", "import os, sys; print(os.getcwd(), sys.argv[1:])", *words]
    done = subprocess.run([*LITTLE.program(), *program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == f"{tmp_path} {words}\n"


@pytest.mark.parametrize("words", [(), ("{}",), ("{}", "--"), ("{}", "true", "true")])
def test_without_a_plan_and_a_program_it_says_how_it_is_used(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "gotrace.scenario.enter", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "usage")


@pytest.mark.parametrize("plan", ["no json", '{"hidden": []}', '{"hide": 1}'])
def test_a_plan_that_is_none_starts_nothing(plan: str) -> None:
    done = run(plan, "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("gotrace: this environment cannot be set up: ")


def test_a_program_that_is_not_there_and_one_that_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert run(LITTLE, "no-such-program").returncode == 127
    done = run(LITTLE, str(tmp_path / "text"))
    assert (done.returncode, done.stderr) == (126, f"gotrace: {tmp_path / 'text'}: Permission denied\n")


def test_variables_and_what_they_refer_to(tmp_path: Path) -> None:
    (tmp_path / "own").write_text('#!/bin/sh\necho "$WHERE"\n')
    (tmp_path / "own").chmod(0o755)
    plan = Plan(work=str(tmp_path), variables={"PATH": "$WORK:$PATH", "WHERE": "$WORK/$OTHER/$UNSET."})
    assert run(plan, "own", env={"OTHER": "x"}).stdout == f"{tmp_path}/x/.\n"


def test_signals_that_python_ignores_are_not_ignored_by_the_program() -> None:
    status = run(LITTLE, "cat", "/proc/self/status").stdout
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))


def test_limits_hold_for_good() -> None:
    done = run(Plan(limits={"nofile": 17, "core": 0}), "sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Hc; ulimit -n 18")
    assert done.stdout.split() == ["17", "17", "0"]
    assert done.returncode != 0 or os.geteuid() == 0


@pytest.mark.parametrize("settings", [{"hide": ["/etc"]}, {"texts": {"/notes": "x"}}])
def test_the_root_folder_itself_cannot_be_changed(settings: dict[str, Any]) -> None:
    with pytest.raises(enter._SetUpError, match="what lies in / itself"):
        enter._change_folders(Plan(**settings))


@pytest.mark.parametrize("what", ["no-such-command", "/usr/lib/no-such-*/cc1", "$WORK/absent"])
def test_hiding_what_is_not_there_is_an_error(what: str) -> None:
    with pytest.raises(enter._SetUpError, match="that could be hidden"):
        enter._change_folders(Plan(work="/tmp", hide=[what]))


def test_what_is_hidden_is_the_name_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, linked = (tmp_path / name for name in ("first", "second", "linked"))
    for folder in (first, second):
        folder.mkdir()
    linked.symlink_to(first)
    (first / "tool").symlink_to("elsewhere")
    (second / "tool").touch()
    monkeypatch.setenv("PATH", f"{linked}:{second}:{tmp_path / 'absent'}")
    assert enter._to_hide("tool", Plan()) == {first / "tool", second / "tool"}
    assert enter._to_hide("$WORK/*/tool", Plan(work=str(tmp_path))) == {first / "tool", second / "tool"}


def test_a_folder_that_is_not_there_is_made_below_the_acts_only(tmp_path: Path) -> None:
    assert enter._existing("$WORK/a/b", Plan(work=str(tmp_path))) == str(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()
    with pytest.raises(FileNotFoundError):
        enter._existing(f"{tmp_path}/c", Plan(work=str(tmp_path / "a")))


@pytest.mark.parametrize(
    ("architecture", "number", "answer"),
    [
        (0xC000003E, 39, 0x50000 | errno.ENOSYS),
        (0xC000003E, 257, 0x50000 | errno.EPERM),
        (0xC000003E, 2, 0x7FFF0000),
        (0x40000003, 39, 0x7FFF0000),
    ],
    ids=["refused", "refused with another error", "not refused", "of another ABI"],
)
def test_the_filter(architecture: int, number: int, answer: int) -> None:
    program = refuse.program({39: errno.ENOSYS, 257: errno.EPERM})
    assert _verdict(program, struct.pack("<II", number, architecture)) == answer


def _verdict(program: list[refuse.Instruction], data: bytes) -> int:
    """What the kernel's interpreter of classic BPF answers."""
    place = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x15:
            place += if_true if accumulator == operand else if_false
        else:
            assert code == 0x06
            return operand


def test_the_plan_travels_whole() -> None:
    plan = Plan(work="/w", mount=True, tmpfs={"/x": 1}, refuse={39: 38}, limits={"nofile": 4}, variables={"A": "ä"})
    assert json.loads(plan.program()[-2]) == {
        "work": "/w",
        "mount": True,
        "tmpfs": {"/x": 1},
        "refuse": {"39": 38},
        "limits": {"nofile": 4},
        "variables": {"A": "ä"},
    }


@pytest.mark.parametrize("before", [(), ("env", "CC=x")])
def test_a_printed_command_can_do_without_the_environments_words(before: tuple[str, ...]) -> None:
    command = ("go", "build", "--", ".")
    assert without_entering([*before, *Plan(mount=True).program(), *command]) == (*before, *command)
    assert without_entering([*before, *command]) == (*before, *command)
    assert without_entering(Plan(mount=True).program()) == ()


@pytest.mark.parametrize(
    ("plan", "permitted", "by_itself"),
    [
        (Plan(), False, True),
        (Plan(refuse={39: 38}), False, True),
        (Plan(mount=True), True, True),
        (Plan(mount=True), False, False),
        (Plan(network=True), False, False),
        (Plan(join="/proc/1/ns/mnt"), False, False),
        (Plan(limits={"nofile": 4}), True, False),
        (Plan(user="nobody"), True, False),
    ],
)
def test_what_a_loaded_process_may_go_into(
    plan: Plan, *, permitted: bool, by_itself: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "permitted", lambda: permitted)
    assert enter.by_itself(plan) is by_itself


def test_nothing_stands_in_front_of_a_program_for_which_nothing_is_done() -> None:
    assert Plan(work="/w").program() == []
