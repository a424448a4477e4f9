"""The catalogue of rules: the folder is the registry, so each file in it keeps the form that the registry relies on."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contract.sources_of_the_project import PACKAGE, ROOT

HEADINGS = ["What it detects", "Why it happens", "How to fix it", "References"]
FIRST_SIX = {
    "wrong-target-compiler",
    "missing-target-headers",
    "compiler-not-found",
    "missing-header",
    "missing-library",
    "cgo-disabled",
}


class RuleFile(NamedTuple):
    """A file of gotrace/rules with the classes in it that derive from Rule."""

    path: Path
    classes: list[ast.ClassDef]

    def attribute(self, name: str) -> object:
        """The constant that the rule's class gives to a class attribute."""
        for statement in self.classes[0].body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            if isinstance(target, ast.Name) and target.id == name:
                assert isinstance(statement, ast.Assign | ast.AnnAssign)
                assert isinstance(statement.value, ast.Constant), f"{self.path}: {name} is not a constant"
                return statement.value.value
        return None


def rule_files() -> list[RuleFile]:
    found = []
    for path in sorted((PACKAGE / "rules").rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        classes = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Rule" for base in node.bases)
        ]
        if classes:
            found.append(RuleFile(path, classes))
    return found


RULES = rule_files()
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.path.stem)


def test_the_first_six_rules_are_there() -> None:
    assert {str(rule.attribute("name")) for rule in RULES} >= FIRST_SIX


def test_codes_and_names_are_unique() -> None:
    for attribute in ("code", "name"):
        values = [str(rule.attribute(attribute)) for rule in RULES]
        assert sorted(values) == sorted(set(values))


@each_rule
def test_one_rule_a_file_named_after_the_problem(rule: RuleFile) -> None:
    assert len(rule.classes) == 1
    name = rule.attribute("name")
    assert name == rule.path.stem.replace("_", "-")
    assert rule.classes[0].name.lower() == str(name).replace("-", "")
    assert re.fullmatch(r"GT[1-69]\d\d", str(rule.attribute("code")))


@each_rule
def test_its_docstring_is_its_documentation(rule: RuleFile) -> None:
    lines = (ast.get_docstring(rule.classes[0]) or "").splitlines()
    headings = [line.strip("# :") for line in lines if line.strip("# :") in HEADINGS]
    assert headings == HEADINGS
    for heading in HEADINGS:
        place = next(number for number, line in enumerate(lines) if line.strip("# :") == heading)
        section = [line for line in lines[place + 1 :] if line.strip("# :-=") not in {"", *HEADINGS}]
        assert section, f"nothing is said under {heading!r}"


@each_rule
def test_it_is_tested_on_recordings_and_on_the_real_thing(rule: RuleFile) -> None:
    assert (ROOT / "tests/unit/rules" / f"test_{rule.path.stem}.py").is_file()
    names = {str(rule.attribute("name")), str(rule.attribute("code"))}
    scenarios = [path.read_text() for path in (ROOT / "scenarios").rglob("*.toml")]
    tested = any(f'rule = "{name}"' in text for name in names for text in scenarios)
    assert tested, f"no scenario reproduces {' or '.join(sorted(names))}"
