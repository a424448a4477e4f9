"""This machine with musl-gcc as the C compiler of what does not choose one itself."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings
from gotrace.scenario.environments.host import SPACE as HOST
from gotrace.scenario.plan import Plan
from gotrace.scenario.requirements import missing_of


class _Space:
    kind = "musl"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        HOST.lacks(settings)
        return [f"{lack.name} is missing: {lack.how}" for lack in missing_of(["musl-gcc"])]

    def plan(self, settings: Settings, work: Path) -> Plan:
        return msgspec.structs.replace(HOST.plan(settings, work), defaults={"CC": "musl-gcc"})


SPACE = _Space()
