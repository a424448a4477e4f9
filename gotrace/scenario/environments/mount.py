"""This machine with other files: some hidden or changed, some read-only or not executable, small file systems."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked, lacks_for, size
from gotrace.scenario.plan import Plan


class _Mount(msgspec.Struct, forbid_unknown_fields=True):
    """Paths may begin with $WORK; folders below it are made where there are none."""

    hide: list[str] = []
    """Files and folders: paths, patterns ("/usr/lib/gcc/*/*/cc1"), names of commands ("gcc": wherever PATH has it)."""
    texts: dict[str, str] = {}
    """Path -> content."""
    readonly: list[str] = []
    noexec: list[str] = []
    tmpfs: dict[str, str | int] = {}
    """Folder -> size; two pages (8192) are as good as a full disk."""
    path: str | None = None
    """Another PATH; $PATH in it is the old one."""


class _Space:
    kind = "mount"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        given = checked(self.kind, settings, _Mount)
        return lacks_for(overlay=bool(given.hide or given.texts))

    def plan(self, settings: Settings, work: Path) -> Plan:
        given = checked(self.kind, settings, _Mount)
        plan = Plan(
            mount=True,
            hide=given.hide,
            texts=given.texts,
            readonly=given.readonly,
            noexec=given.noexec,
            tmpfs={folder: size(self.kind, "tmpfs", bytes_) for folder, bytes_ in given.tmpfs.items()},
            variables={} if given.path is None else {"PATH": given.path},
        )
        return plan.for_work(work)


SPACE = _Space()
