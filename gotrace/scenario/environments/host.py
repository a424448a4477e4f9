"""This machine as it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked


class _None(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Host:
    kind = "host"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        checked(self.kind, settings, _None)
        return []

    def prefix(self, settings: Settings, work: Path) -> list[str]:
        del work
        checked(self.kind, settings, _None)
        return []


SPACE = _Host()
