"""What `gotrace doctor` says of each source."""

from __future__ import annotations

import pytest

from gotrace.host.check import Check
from gotrace.sources import survey
from gotrace.sources.base import Lack
from gotrace.sources.ebpf import cache
from tests.unit.sources.fakes import NO_ADMIN, NO_BCC, NO_RIGHTS, NO_YAMA, here


def test_what_one_source_lacks_is_no_lack_where_another_works(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [NO_RIGHTS], "netlink": [NO_ADMIN]})
    assert survey.checks() == [
        Check("watch by eBPF", None, "no CAP_BPF and CAP_PERFMON", "gotrace build --sudo -- COMMAND"),
        Check("watch by ptrace", True, "works"),
        Check("watch by the process connector", None, "no CAP_NET_ADMIN", "run as root"),
    ]


def test_where_none_works_all_are_lacks_with_their_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [NO_RIGHTS, NO_BCC], "ptrace": [NO_YAMA], "netlink": [NO_ADMIN]})
    checks = survey.checks()
    assert [check.ok for check in checks] == [False] * 3
    assert checks[0].detail == "no CAP_BPF and CAP_PERFMON; BCC is not installed"
    assert checks[0].remedy == "add --sudo, or run as root; apt-get install python3-bpfcc"


def test_where_only_sudo_could_help_nothing_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = {"ebpf": [NO_RIGHTS], "ptrace": [NO_YAMA], "netlink": [NO_ADMIN]}
    here(monkeypatch, lacks)
    assert [check.ok for check in survey.checks()] == [None] * 3
    here(monkeypatch, lacks, sudo=False)
    assert [check.ok for check in survey.checks()] == [False] * 3


def test_what_works_with_less_to_see_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [Lack("no i386 calls", "another kernel", fatal=False)]})
    assert survey.checks()[0] == Check("watch by eBPF", True, "works, but no i386 calls", "another kernel")


def test_a_cache_that_cannot_be_written_is_told_to_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "may_load", lambda: True)
    monkeypatch.setattr(cache, "problem", lambda: "compiled probes cannot be kept in /x: it cannot be written")
    (check,) = survey.cache_checks()
    assert check.ok is None
    assert check.detail.startswith("compiled probes cannot be kept in /x: it cannot be written; each start")
    assert str(cache.folder()) in check.remedy
    monkeypatch.setattr(cache, "problem", lambda: None)
    assert survey.cache_checks() == [Check("eBPF cache", True, str(cache.folder()))]
    monkeypatch.setattr(survey, "may_load", lambda: False)
    assert survey.cache_checks() == []
