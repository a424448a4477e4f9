"""This machine with musl-gcc as the C compiler of what does not choose one itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from gotrace.scenario.environments.base import Settings
from gotrace.scenario.environments.host import SPACE as HOST
from gotrace.scenario.requirements import missing_of


class _Space:
    kind = "musl"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        HOST.lacks(settings)
        return [f"{lack.name} is missing: {lack.how}" for lack in missing_of(["musl-gcc"])]

    def prefix(self, settings: Settings, work: Path) -> list[str]:
        del work
        HOST.prefix(settings, Path())
        shell = shutil.which("sh") or "/bin/sh"
        return [shell, "-c", 'export CC="${CC:-musl-gcc}"; exec "$@"', "sh"]


SPACE = _Space()
