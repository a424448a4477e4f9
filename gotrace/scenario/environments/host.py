"""This machine as it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked
from gotrace.scenario.plan import Plan


class _None(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Host:
    kind = "host"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        checked(self.kind, settings, _None)
        return []

    def plan(self, settings: Settings, work: Path) -> Plan:
        checked(self.kind, settings, _None)
        return Plan().for_work(work)


SPACE = _Host()
