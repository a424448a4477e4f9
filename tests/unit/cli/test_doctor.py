from __future__ import annotations

import json
from pathlib import Path

import pytest

from gotrace.capture import spool
from gotrace.host import kernel, toolchain
from gotrace.host.check import Check
from gotrace.sources import survey
from tests.unit.cli.conftest import Gotrace


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "checks", lambda: [Check("watch by eBPF", True, "works")])
    monkeypatch.setattr(survey, "cache_checks", list)
    btf = Check("kernel BTF", True, "/sys/kernel/btf/vmlinux")
    monkeypatch.setattr(kernel, "checks", lambda *, ebpf_needed: [btf, Check("asked", None, f"{ebpf_needed=}")])
    monkeypatch.setattr(toolchain, "checks", lambda: [])
    monkeypatch.setattr(spool, "leftover_spools", list)


def test_nothing_lacks(gotrace: Gotrace) -> None:
    assert gotrace("doctor") == (
        0,
        "ok    watch by eBPF  works\n"
        "ok    kernel BTF     /sys/kernel/btf/vmlinux\n"
        "      asked          ebpf_needed=False\n",
        "",
    )


def test_a_lack_has_its_remedy_and_makes_the_exit_code_one(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    lack = Check("go", False, "not found in PATH", "apt-get install golang")
    monkeypatch.setattr(toolchain, "checks", lambda: [lack, Check("ptrace scope", None, "unknown")])
    done = gotrace("doctor")
    assert done.code == 1
    assert done.out.splitlines()[3:] == [
        "LACK  go             not found in PATH",
        "                     apt-get install golang",
        "      ptrace scope   unknown",
    ]
    done = gotrace("doctor", "--json")
    assert done.code == 1
    assert json.loads(done.out)[3] == {
        "name": "go",
        "ok": False,
        "detail": "not found in PATH",
        "remedy": "apt-get install golang",
    }


def test_what_a_crash_left_can_be_reported_and_removed(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "leftover_spools", lambda: [Path("/home/ada l/7.spool")])
    done = gotrace("doctor")
    assert done.code == 0
    assert "gotrace report '/home/ada l/7.spool' tells what it holds, rm '/home/ada l/7.spool' removes it" in done.out


def test_of_many_that_crashes_left_the_newest_are_shown(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "leftover_spools", lambda: [Path(f"/spool/{number}.spool") for number in range(9)])
    shown = gotrace("doctor").out
    assert [number for number in range(9) if f"/spool/{number}.spool tells" in shown] == [6, 7, 8]
    assert "6 older ones" in shown
    assert gotrace("doctor", "--json").out.count("left by a crash") == 9


def test_what_ebpf_lacks_is_a_lack_only_where_nothing_else_works(
    gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "checks", lambda: [Check("watch by ptrace", None, "Yama forbids it")])
    monkeypatch.setattr(survey, "cache_checks", lambda: [Check("eBPF cache", True, "/var/cache/gotrace")])
    assert "ebpf_needed=True" in gotrace("doctor").out
