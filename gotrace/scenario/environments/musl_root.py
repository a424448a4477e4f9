"""A root folder as of a distribution with musl: its loader, which is also its C library, and the named files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked, lacks_for
from gotrace.scenario.environments.scratch import Empty, root
from gotrace.scenario.plan import Plan
from gotrace.scenario.requirements import missing_of


def loaders() -> list[Path]:
    """Musl's loader, where programs that were linked by musl-gcc look for it."""
    return sorted(Path("/lib").glob("ld-musl-*.so.1"))


class _Space:
    """Settings as of scratch."""

    kind = "musl-root"
    around_command = True

    def lacks(self, settings: Settings) -> list[str]:
        root(self.kind, checked(self.kind, settings, Empty))
        missing = [] if loaders() else [f"musl is missing: {lack.how}" for lack in missing_of(["musl-gcc"])]
        return [*missing, *lacks_for()]

    def plan(self, settings: Settings, work: Path) -> Plan:
        inside = root(self.kind, checked(self.kind, settings, Empty))
        files = {str(path): str(path) for path in loaders()} | inside.files
        whole = msgspec.structs.replace(inside, files=files)
        return Plan(mount=True, root=whole).for_work(work)


SPACE = _Space()
