"""This machine with limits on what a process may use (setrlimit(2)); gotrace itself is inside and has them too.

Root's processes are not counted by `nproc`.
"""

from __future__ import annotations

import resource
from pathlib import Path

from gotrace.scenario.environments.base import Settings, size
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan


class _Space:
    """The settings are the names of limits: { as = "200m", nofile = 16, fsize = "1m", core = "unlimited" }."""

    kind = "rlimit"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        return [
            f"the limit {name} cannot be raised to {wanted or 'unlimited'} here: it is {most} (ulimit -H)"
            for name, wanted in self._limits(settings).items()
            if (most := resource.getrlimit(_number(name))[1]) != resource.RLIM_INFINITY
            and (wanted > most or wanted < 0)
        ]

    def plan(self, settings: Settings, work: Path) -> Plan:
        return Plan(limits=self._limits(settings)).for_work(work)

    def _limits(self, settings: Settings) -> dict[str, int]:
        limits = {}
        for name, value in settings.items():
            if not hasattr(resource, f"RLIMIT_{name.upper()}"):
                known = sorted(one.removeprefix("RLIMIT_").lower() for one in dir(resource) if "RLIMIT_" in one)
                raise ScenarioError(f"environment rlimit: there is no limit {name!r}", f"there are {', '.join(known)}")
            limits[name] = -1 if value == "unlimited" else size(self.kind, name, value)
        return limits


def _number(name: str) -> int:
    return int(getattr(resource, f"RLIMIT_{name.upper()}"))


SPACE = _Space()
