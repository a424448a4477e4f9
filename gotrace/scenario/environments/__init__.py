"""Where acts run: one kind of environment per module, and the folder is the registry. Each has one `SPACE`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from gotrace.scenario.environments.base import LastingSpace, Space
from gotrace.scenario.loader import ScenarioError

__all__ = ["LastingSpace", "Space", "kinds", "space"]


@cache
def kinds() -> tuple[str, ...]:
    """All that a scenario may name, sorted."""
    return tuple(sorted(module.name.replace("_", "-") for module in iter_modules(__path__) if module.name != "base"))


def space(kind: str) -> Space:
    """The environment of this kind.

    Raises:
        ScenarioError: there is none.
    """
    if kind not in kinds():
        raise ScenarioError(f"there is no environment {kind!r}", f"those there are: {', '.join(kinds())}")
    found: Space = import_module(f"{__name__}.{kind.replace('-', '_')}").SPACE
    return found
