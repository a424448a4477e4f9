"""The pages made from rules and scenarios say what those say now, and their links lead somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gotrace.rules import registry
from gotrace.scenario.loader import catalogue
from tools import generate_docs

LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)\)")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    generate_docs.write(tmp_path)
    return tmp_path


def test_the_pages_are_as_make_docs_writes_them() -> None:
    assert generate_docs.stale() == [], "run `make docs`"


def test_every_rule_and_every_scenario_has_its_page() -> None:
    pages = {str(path) for path in generate_docs.pages()}
    assert {f"rules/{rule.code}-{rule.name}.md" for rule in registry.rules()} <= pages
    assert {f"scenarios/{one.id}.md" for one in catalogue()} <= pages
    assert {"rules/README.md", "scenarios/README.md"} <= pages


def test_a_rules_page_says_what_explain_says(written: Path) -> None:
    for rule in registry.rules():
        assert str(registry.explanation(rule)) in (written / "rules" / generate_docs.file_of(rule)).read_text()


def test_the_index_has_the_verdict_on_each_claim(written: Path) -> None:
    rows = (written / "scenarios/README.md").read_text().partition("## What became")[2].splitlines()
    claims = {one.id: one.claim for one in catalogue() if one.claim is not None}
    assert claims
    for name, claim in claims.items():
        [row] = [row for row in rows if row.endswith(f"| [{name}]({name}.md) |")]
        assert f"| {claim.verdict.value} |" in row


def test_links_lead_to_pages(written: Path) -> None:
    links = [(path, link) for path in written.rglob("*.md") for link in LINK.findall(path.read_text())]
    assert links
    assert [f"{path.name}: {link}" for path, link in links if not (path.parent / link).is_file()] == []


def test_what_is_stale_is_named_and_written_anew(written: Path) -> None:
    rule = registry.rules()[0]
    (written / "rules" / generate_docs.file_of(rule)).write_text("of yesterday")
    (written / "rules/GT999-gone.md").write_text("of a rule that is no more")
    (written / "scenarios/README.md").unlink()
    changed = [f"rules/{generate_docs.file_of(rule)}", "rules/GT999-gone.md", "scenarios/README.md"]
    assert generate_docs.stale(written) == sorted(changed)
    generate_docs.write(written)
    assert generate_docs.stale(written) == []


def test_nothing_there_is_all_stale(written: Path) -> None:
    shutil.rmtree(written / "rules")
    assert len(generate_docs.stale(written)) == len(registry.rules()) + 1
