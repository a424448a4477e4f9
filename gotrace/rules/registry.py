"""The rules there are: the folder is the registry, a rule's docstring its page."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

import gotrace.rules
from gotrace.rules.base import Rule

_LIKE_A_CODE = re.compile(r"[a-z]{0,2}[- ]?(\d{1,9})")
_NEAR = 20
"""By how much a code may be off to be one that was meant."""
HEADINGS = ("What it detects", "Why it happens", "How to fix it", "References")


class DefectiveRuleError(Exception):
    """A rule breaks the contract of the folder (code, name, file name or docstring)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule's docstring: its first sentence and what stands under each heading, as Markdown."""

    code: str
    name: str
    summary: str
    sections: dict[str, str]

    def __str__(self) -> str:
        parts = [self.summary, *(f"## {heading}\n{text}" for heading, text in self.sections.items())]
        return "\n\n".join(parts)


@cache
def _found() -> tuple[type[Rule], ...]:
    modules = (importlib.import_module(f"gotrace.rules.{m.name}") for m in pkgutil.iter_modules(gotrace.rules.__path__))
    return tuple(checked(rule for module in modules for rule in _rules_in(module.__name__, vars(module).values())))


def _rules_in(module: str, things: Iterable[object]) -> Iterable[type[Rule]]:
    for thing in things:
        if not isinstance(thing, type) or thing.__module__ != module:
            continue
        if issubclass(thing, Rule) and not inspect.isabstract(thing):
            yield thing


def rules() -> list[type[Rule]]:
    """All rules, by code.

    Raises:
        DefectiveRuleError: a rule in the folder breaks the contract.
    """
    return list(_found())


def rule(code_or_name: str) -> type[Rule]:
    """The rule with this code (GT101, in any case) or name (wrong-target-compiler).

    Raises:
        LookupError: there is none; the message names those that are spelled alike.
    """
    wanted = code_or_name.strip().lower()
    names = {key: one for one in rules() for key in (one.code.lower(), one.name)}
    if wanted in names:
        return names[wanted]
    hint = f"; did you mean {_listed(alike)}?" if (alike := _alike(wanted)) else ""
    raise LookupError(f"no rule has the code or name {code_or_name!r}{hint}")


def _alike(wanted: str) -> list[str]:
    """What may have been meant, three at most, as in "GT101 wrong-target-compiler"."""
    if number := _LIKE_A_CODE.fullmatch(wanted):
        found = [one for one in rules() if one.code[2:].startswith(number[1])]
        near = [one for one in rules() if _apart(one, number[1]) <= _NEAR]
        found = found or sorted(near, key=lambda one: _apart(one, number[1]))
    else:
        by_name = {one.name: one for one in rules()}
        found = [one for name, one in by_name.items() if len(wanted) > 1 and wanted in name.split("-")]
        found += [by_name[name] for name in get_close_matches(wanted, by_name)]
    return [f"{one.code} {one.name}" for one in dict.fromkeys(found)][:3]


def _apart(one: type[Rule], number: str) -> int:
    return abs(int(one.code[2:]) - int(number))


def _listed(texts: list[str]) -> str:
    return " or ".join(part for part in (", ".join(texts[:-1]), texts[-1]) if part)


def explanation(one: type[Rule]) -> Explanation:
    """What `gotrace explain` tells of a rule.

    Raises:
        DefectiveRuleError: its docstring lacks one of the headings.
    """
    text = inspect.cleandoc(one.__doc__ or "")
    parts = re.split(rf"^({'|'.join(map(re.escape, HEADINGS))})\n-+\n", text, flags=re.MULTILINE)
    sections = {heading: body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}
    if tuple(sections) != HEADINGS or not parts[0].strip() or not all(sections.values()):
        raise DefectiveRuleError(f"{one.__name__}: its docstring must have the headings {', '.join(HEADINGS)}")
    return Explanation(one.code, one.name, parts[0].strip(), sections)


def checked(found: Iterable[type[Rule]]) -> list[type[Rule]]:
    """The rules by code, once each of them is seen to keep the contract.

    Raises:
        DefectiveRuleError: a code or name is not well formed, not unique, or not that of its file.
    """
    by_code: dict[str, type[Rule]] = {}
    names: set[str] = set()
    for one in found:
        if not re.fullmatch(r"GT[1-9]\d\d", one.code) or one.code in by_code:
            raise DefectiveRuleError(f"{one.__name__}: the code {one.code!r} is not GTnnn or not unique")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.name) or one.name in names:
            raise DefectiveRuleError(f"{one.__name__}: the name {one.name!r} is not kebab-case or not unique")
        if one.__module__.rpartition(".")[2] != one.name.replace("-", "_"):
            raise DefectiveRuleError(f"{one.__name__}: {one.name} must be in a file of that name")
        by_code[one.code] = one
        names.add(one.name)
    return [by_code[code] for code in sorted(by_code)]
