"""A root folder that holds only the named files, as an image built FROM scratch does."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked, lacks_for
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan, Root


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    """What an otherwise empty root has."""

    files: dict[str, str] | list[str]
    """Path inside -> file or folder outside ({"/app" = "$WORK/app"}); of a list each lies in / under its own name."""
    texts: dict[str, str] = {}
    """Path inside -> content."""
    proc: bool = True
    """With /proc and /dev."""


def root(kind: str, given: Empty) -> Root:
    """The root folder that the settings describe.

    Raises:
        ScenarioError: a path inside is not absolute.
    """
    files = given.files if isinstance(given.files, dict) else {f"/{Path(path).name}": path for path in given.files}
    for path in (*files, *given.texts):
        if not path.startswith("/") or ".." in Path(path).parts:
            raise ScenarioError(f"environment {kind}: {path!r} is no absolute path")
    return Root(files=files, texts=given.texts, proc=given.proc)


class _Space:
    kind = "scratch"
    around_command = True

    def lacks(self, settings: Settings) -> list[str]:
        root(self.kind, checked(self.kind, settings, Empty))
        return lacks_for()

    def plan(self, settings: Settings, work: Path) -> Plan:
        inside = root(self.kind, checked(self.kind, settings, Empty))
        return Plan(mount=True, root=inside).for_work(work)


SPACE = _Space()
