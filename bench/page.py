"""The measured part of docs/performance.md: sections between two markers, each of which can be measured apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BEGIN = "<!-- bench:begin (written by make bench) -->"
END = "<!-- bench:end -->"
_SECTION = re.compile(r"<!-- bench:section (\w+) -->\n+")
_PLACE = re.compile(r"(Measured on .*)\n+")


class Part(NamedTuple):
    """One section."""

    place: str
    """When and where it was measured, one line."""
    text: str


def rendered(parts: Mapping[str, Part]) -> str:
    """The sections; a place is told once for those in a row that share it."""
    lines: list[str] = []
    before = None
    for name, part in parts.items():
        lines += [f"<!-- bench:section {name} -->\n"]
        if part.place != before:
            lines += [f"{part.place}\n"]
        lines += [f"{part.text.strip()}\n"]
        before = part.place
    return "\n".join(lines)


def with_parts(page: str, parts: Mapping[str, Part], order: Sequence[str]) -> str:
    """The page with these sections anew. Its other ones stay if they are in `order`, which is theirs.

    Raises:
        ValueError: the page has no markers.
    """
    head, begin, rest = page.partition(BEGIN)
    measured, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no markers {BEGIN} and {END} in the page")
    known = {**_parts(measured), **parts}
    text = rendered({name: known[name] for name in order if name in known})
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def _parts(measured: str) -> dict[str, Part]:
    found, place = {}, ""
    _, *pieces = _SECTION.split(measured)
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        told = _PLACE.match(text)
        if told:
            place = told[1]
        found[name] = Part(place, text[told.end() if told else 0 :])
    return found
