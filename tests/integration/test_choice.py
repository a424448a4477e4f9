"""Which source watches whom: an ordinary user's build without a privilege, and what the report says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_caches import fill
from tests.integration.ordinary_user import Done, OrdinaryUser, may_use_sudo, ordinary_user, run
from tests.integration.watching import wait_for

pytestmark = pytest.mark.root("only root can make a user to try it with")

WHY = "watched by ptrace, not eBPF: no CAP_BPF and CAP_PERFMON (try --sudo)"


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        somebody.file(".cache/used", "")
        fill(somebody.home / ".cache/go-build", somebody.uid, somebody.gid)
        somebody.file("hello/go.mod", "module ex/hello\ngo 1.21\n")
        somebody.file("hello/main.go", 'package main\n\nfunc main() { println("hello") }\n')
        somebody.file("header/go.mod", "module ex/header\ngo 1.21\n")
        somebody.file("header/main.go", 'package main\n\n// #include <nowhere.h>\nimport "C"\n\nfunc main() {}\n')
        yield somebody


def build(user: OrdinaryUser, script: str, *options: str) -> tuple[Done, dict[str, Any]]:
    """A shell script under `gotrace build`, and the JSON report."""
    report = user.home / "report.json"
    done = run(user, user.gotrace, "build", *options, "--report", f"json:{report}", "--", "sh", "-c", script)
    return done, dict(json.loads(report.read_text()))


def names_of_processes(user: OrdinaryUser) -> list[str]:
    listed = subprocess.run(["pgrep", "-l", "-u", user.name], capture_output=True, text=True, check=False)
    return [line.split()[1] for line in listed.stdout.splitlines()]


def test_without_a_privilege_ptrace_watches_and_one_line_says_why(user: OrdinaryUser) -> None:
    done, report = build(user, "cd hello && go build .")
    assert done.returncode == 0, done.stderr
    assert report["source"] == "ptrace"
    assert (report["degraded"], report["lost"], report["not_evaluated"]) == ([WHY], [], [])
    assert done.stderr.splitlines()[-1] == f"degraded: {WHY}"
    assert [line for line in done.stderr.splitlines() if "degraded" in line] == [f"degraded: {WHY}"]
    assert report["counts"]["tool_runs"]["link"] == 1


def test_a_clean_run_that_is_to_be_quiet_is_silent(user: OrdinaryUser) -> None:
    done, _ = build(user, "cd hello && go build .", "-q")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cause_is_found_without_a_privilege(user: OrdinaryUser) -> None:
    done, report = build(user, "cd header && go build .")
    assert done.returncode == 1
    assert [finding["name"] for finding in report["findings"]] == ["missing-header"]
    assert report["degraded"] == [WHY]


def test_what_was_asked_for_needs_no_reason(user: OrdinaryUser) -> None:
    _, report = build(user, "cd hello && go build .", "--backend", "ptrace")
    assert (report["source"], report["degraded"]) == ("ptrace", [])


def test_with_sudo_it_is_ebpf(user: OrdinaryUser) -> None:
    with may_use_sudo(user):
        done, report = build(user, "cd hello && go build .", "--sudo")
    assert done.returncode == 0, done.stderr
    assert (report["source"], report["degraded"]) == ("ebpf", [])


def test_programs_that_lost_their_privilege_are_named(user: OrdinaryUser) -> None:
    with may_use_sudo(user):
        done, report = build(user, "sudo -n id -u")
        assert done.returncode == 1
        assert any(
            sentence.startswith("/usr/bin/sudo ran without its set-user-ID privilege")
            for sentence in report["degraded"]
        )
        done, report = build(user, "sudo -n id -u", "--sudo")
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    assert report["degraded"] == []


def test_a_tracer_inside_the_command_is_told_why_it_failed(user: OrdinaryUser) -> None:
    program = "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))"  # PTRACE_TRACEME, as strace and gdb do
    done, report = build(user, f"/usr/bin/python3 -c '{program}'")
    assert done.stdout == "-1\n"
    assert [sentence for sentence in report["degraded"] if "one tracer at a time" in sentence]


def test_what_outlives_the_command_keeps_its_tracer_and_both_end(user: OrdinaryUser) -> None:
    done, report = build(user, "sleep 600 >/dev/null 2>&1 </dev/null & echo $!")
    assert report["degraded"][1:] == [
        "1 process still ran when the command ended, followed no longer; the tracer stays with it until it ends"
    ]
    try:
        # The tracers of earlier runs may be about to end.
        wait_for(lambda: sorted(names_of_processes(user)) == ["ptrace-keeper", "sleep"])
    finally:
        os.kill(int(done.stdout), signal.SIGTERM)
    wait_for(lambda: names_of_processes(user) == [])


def test_doctor_finds_nothing_lacking_where_only_ptrace_works(user: OrdinaryUser) -> None:
    done = run(user, user.gotrace, "doctor", "--json")
    assert done.returncode == 0, done.stdout
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert checks["watch by ptrace"]["ok"] is True
    assert checks["watch by eBPF"] == {
        "name": "watch by eBPF",
        "ok": None,
        "detail": "no CAP_BPF and CAP_PERFMON",
        "remedy": "gotrace build --sudo -- COMMAND",
    }
    assert "eBPF cache" not in checks
