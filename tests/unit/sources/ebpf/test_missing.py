"""What the eBPF source says it lacks, by who asks."""

from __future__ import annotations

import errno
import os

import pytest

from gotrace.sources.ebpf import source
from gotrace.sources.ebpf.source import EbpfSource


def whats(*, sudo: bool = False) -> list[str]:
    return [lack.what for lack in EbpfSource().missing(sudo=sudo) if lack.privilege]


def test_an_ordinary_user_lacks_capabilities_unless_sudo_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "may_load", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert whats() == ["no CAP_BPF and CAP_PERFMON"]
    assert whats(sudo=True) == []


def test_root_without_capabilities_gets_none_from_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "may_load", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert whats() == whats(sudo=True) == ["root without CAP_BPF and CAP_PERFMON"]


def test_capabilities_in_name_only_are_found_out_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "may_load", lambda: True)
    monkeypatch.setattr(source, "try_ring_buffer", lambda: errno.EPERM)
    assert whats() == whats(sudo=True) == ["the kernel refuses it (Operation not permitted)"]
    monkeypatch.setattr(source, "try_ring_buffer", lambda: None)
    assert whats() == []
