"""Sources that lack what they are told to lack."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gotrace.sources import choose, survey
from gotrace.sources.base import Capture, Lack, Target

NO_RIGHTS = Lack("no CAP_BPF and CAP_PERFMON", "add --sudo, or run as root", privilege=True)
NO_BCC = Lack("BCC is not installed", "apt-get install python3-bpfcc")
NO_YAMA = Lack("Yama forbids it", "sysctl kernel.yama.ptrace_scope=1", privilege=True)
NO_ADMIN = Lack("no CAP_NET_ADMIN", "run as root", privilege=True)

Lacks = Mapping[str, Sequence[Lack]]


class FakeSource:
    """A source that cannot be opened; sudo takes its lack of rights away."""

    def __init__(self, name: str, lacks: Sequence[Lack]) -> None:
        self.name = name
        self._lacks = lacks

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        return [lack for lack in self._lacks if not (sudo and lack is NO_RIGHTS)]

    def open(self, target: Target, *, sudo: bool = False) -> Capture:
        raise AssertionError(f"{self.name} was opened for {target}")


def here(monkeypatch: pytest.MonkeyPatch, lacks: Lacks, *, sudo: bool = True, uid: int = 1000) -> list[str]:
    """Make this a machine whose sources lack that; `sudo`: the command is there. Returns the names as they are made."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    made: list[str] = []

    def source_named(name: str) -> Any:
        made.append(name)
        return FakeSource(name, lacks.get(name, ()))

    for module in (choose, survey):
        monkeypatch.setattr(module, "source_named", source_named)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if sudo else None)
    return made
