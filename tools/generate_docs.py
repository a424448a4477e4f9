"""Writes docs/rules/ from the rules' docstrings and docs/scenarios/ from the scenario files: `make docs` runs it.

With --check it writes nothing, and fails where a page is not as it would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from gotrace.rules import registry
from gotrace.rules.base import Rule
from gotrace.scenario.loader import catalogue
from gotrace.scenario.model import Claim, Scenario
from gotrace.scenario.page import environments_of, page, prose, source_text

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDERS = ("rules", "scenarios")
"""Folders that hold nothing but what is written here."""
INDEX = "README.md"
_BY_MACHINE = "<!-- Written by make docs from {source}; do not edit. -->\n\n"

_RULES = """# What gotrace can name

Each page is what `gotrace explain NAME` prints, with the scenarios that prove it.

{table}
"""
_SCENARIOS = """# Scenarios

Each scenario is a failure (or a healthy build) that `gotrace scenario verify` reproduces, has gotrace diagnose, and
fixes. `gotrace scenario run ID` performs one. Where it tests what somebody claims, the verdict is what was measured,
and is measured again at each run.

{table}

## What became of the claims

A chapter is one of the article on Go, cgo and Linux whose advice the scenarios check.

{verdicts}
"""


def pages() -> dict[Path, str]:
    """All pages, by their path below docs/."""
    rules, scenarios = registry.rules(), catalogue()
    wanted = {Path("rules") / INDEX: _by_machine("the rules", _rules_index(rules, scenarios))}
    wanted |= {Path("rules") / file_of(rule): _by_machine(_module(rule), _rule(rule, scenarios)) for rule in rules}
    wanted[Path("scenarios") / INDEX] = _by_machine("the scenarios", _scenarios_index(scenarios))
    link = partial(_link_to_rule, {rule.name: rule for rule in rules})
    for one in scenarios:
        wanted[Path("scenarios") / f"{one.id}.md"] = _by_machine(_source(one), page(one, link))
    return wanted


def stale(docs: Path = DOCS) -> list[str]:
    """What is not as it would be written: a page that differs, is missing, or is of nothing that there is."""
    wanted = pages()
    there = {path.relative_to(docs) for folder in FOLDERS for path in (docs / folder).rglob("*") if path.is_file()}
    differing = {path for path, text in wanted.items() if path in there and (docs / path).read_text() != text}
    return sorted(str(path) for path in differing | (there ^ wanted.keys()))


def write(docs: Path = DOCS) -> None:
    """Make it so."""
    wanted = pages()
    for name in stale(docs):
        path = docs / name
        if Path(name) in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[Path(name)])
        else:
            path.unlink()


def file_of(rule: type[Rule]) -> str:
    """Name of a rule's page."""
    return f"{rule.code}-{rule.name}.md"


def _rule(rule: type[Rule], scenarios: Sequence[Scenario]) -> str:
    needs = ", ".join(sorted(facet.value for facet in rule.needs))
    proofs = [
        f"- [{one.id}](../scenarios/{one.id}.md): {prose(one.title)}" for one in scenarios if one.rule == rule.name
    ]
    head = f"# {rule.code} {rule.name}\n\nSeverity: {rule.severity.value}. Needs to see: {needs or 'nothing special'}."
    shown = "\n".join(["## Scenarios\n", *proofs]) if proofs else ""
    return "\n\n".join(part for part in (head, str(registry.explanation(rule)), shown) if part) + "\n"


def _rules_index(rules: Sequence[type[Rule]], scenarios: Sequence[Scenario]) -> str:
    def row(rule: type[Rule]) -> list[str]:
        proofs = sum(one.rule == rule.name for one in scenarios)
        summary = " ".join(registry.explanation(rule).summary.split())
        return [rule.code, f"[{rule.name}]({file_of(rule)})", rule.severity.value, summary, str(proofs)]

    head = ["code", "finding", "severity", "the problem", "scenarios"]
    return _RULES.format(table=_table(head, map(row, rules)))


def _scenarios_index(scenarios: Sequence[Scenario]) -> str:
    link = partial(_link_to_rule, {rule.name: rule for rule in registry.rules()})

    def row(one: Scenario) -> list[str]:
        verdict = one.claim.verdict.value if one.claim else ""
        return [_link_to(one), link(one.rule) if one.rule else "", environments_of(one), verdict, prose(one.title)]

    claimed = sorted(((one.claim, one) for one in scenarios if one.claim), key=lambda pair: _order(*pair))
    verdicts = (
        [source_text(c.source), prose(c.text), c.verdict.value, prose(c.measured), _link_to(one)] for c, one in claimed
    )
    return _SCENARIOS.format(
        table=_table(["scenario", "finding", "environment", "verdict", "what goes wrong"], map(row, scenarios)),
        verdicts=_table(["said in", "claim", "verdict", "measured", "by"], verdicts),
    )


def _order(claim: Claim, scenario: Scenario) -> tuple[list[tuple[bool, int, str]], str]:
    """Chapters as numbers, 2.4 before 2.10, and before all other sources."""
    parts = [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in claim.source.split(".")]
    return parts, scenario.id


def _link_to_rule(rules: dict[str, type[Rule]], name: str) -> str:
    return f"[{name}](../rules/{file_of(rules[name])})" if name in rules else f"`{name}`"


def _link_to(scenario: Scenario) -> str:
    return f"[{scenario.id}]({scenario.id}.md)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _by_machine(source: str, text: str) -> str:
    return _BY_MACHINE.format(source=source) + text


def _module(rule: type[Rule]) -> str:
    return rule.__module__.replace(".", "/") + ".py"


def _source(scenario: Scenario) -> str:
    return f"scenarios/{scenario.id}/" if scenario.folder is not None else f"scenarios/{scenario.id}.toml"


def main() -> None:
    """Write all pages, or check them."""
    if sys.argv[1:] != ["--check"]:
        write()
    elif found := stale():
        raise SystemExit(f"stale, `make docs` writes them anew: {', '.join(found)}")


if __name__ == "__main__":
    main()
