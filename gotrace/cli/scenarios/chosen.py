"""Which scenarios are meant: ids of gotrace's own, or paths of files that the user trusts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from gotrace.errors import UsageError
from gotrace.resources import scenarios_dir
from gotrace.scenario.loader import FILE_NAME, ScenarioError, catalogue, load
from gotrace.scenario.model import Scenario


def ids() -> list[str]:
    """Ids of gotrace's own scenarios, without reading them."""
    where = scenarios_dir()
    return sorted({*(p.stem for p in where.glob("*.toml")), *(p.parent.name for p in where.glob(f"*/{FILE_NAME}"))})


def completed(incomplete: str) -> list[str]:
    """The ids that begin so, for a shell's completion."""
    return [one for one in ids() if one.startswith(incomplete)]


def scenario(word: str) -> Scenario:
    """The scenario with that id, or in that file or folder where `word` is a path (has a slash, or ends in .toml).

    Raises:
        UsageError: there is no such id.
        ScenarioError: the file cannot be used.
    """
    if is_path(word):
        return load(Path(word))
    if word not in ids():
        close = get_close_matches(word, ids())
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(
            f"no scenario has the id {word!r}{hint}",
            "gotrace scenario list shows them all; a file's path has a slash in it, or ends in .toml",
        )
    file = scenarios_dir() / f"{word}.toml"
    return load(file if file.exists() else scenarios_dir() / word)


def to_run(words: Sequence[str], *, trust: bool) -> list[Scenario]:
    """What is to be run, each once; without words all of gotrace's own.

    Raises:
        UsageError: no such id, two of one id, or a file from elsewhere without `trust`: a scenario file is code.
        ScenarioError: a file cannot be used.
    """
    if not words:
        return _all()
    found = {one.path.resolve(): one for one in map(scenario, words)}
    for path, one in found.items():
        if not trust and not path.is_relative_to(scenarios_dir().resolve()):
            raise UsageError(
                f"{one.path}: not one of gotrace's own scenarios, and it runs commands as you",
                f"read it (gotrace scenario show {one.path}), then add --trust",
            )
    if len({one.id for one in found.values()}) < len(found):
        raise UsageError("two of these scenarios have the same id", "run one after the other")
    return list(found.values())


def _all() -> list[Scenario]:
    found = catalogue()
    if not found:
        raise ScenarioError(f"{scenarios_dir()}: there is no scenario in it", "install gotrace again")
    return found


def is_path(word: str) -> bool:
    """Whether the user means a file."""
    return "/" in word or word.endswith(".toml")
