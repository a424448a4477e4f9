"""The folder of rules is the registry, and every rule keeps its contract."""

from __future__ import annotations

import pytest

from gotrace.events.facets import Facet
from gotrace.rules import registry
from gotrace.rules.base import Rule
from gotrace.rules.registry import DefectiveRuleError


def test_the_rules_are_in_order_and_keep_their_codes() -> None:
    codes = [rule.code for rule in registry.rules()]
    assert codes == sorted(codes)
    assert {(rule.code, rule.name) for rule in registry.rules()} >= {
        ("GT101", "wrong-target-compiler"),
        ("GT102", "missing-target-headers"),
        ("GT103", "compiler-not-found"),
        ("GT104", "cgo-disabled"),
        ("GT201", "missing-header"),
        ("GT202", "missing-library"),
    }


@pytest.mark.parametrize("rule", registry.rules(), ids=lambda rule: rule.name)
def test_every_rule_explains_itself(rule: type[Rule]) -> None:
    explanation = registry.explanation(rule)

    assert tuple(explanation.sections) == registry.HEADINGS
    assert "https://" in explanation.sections["References"]
    assert all(heading in str(explanation) for heading in registry.HEADINGS)
    assert "-----" not in str(explanation)


@pytest.mark.parametrize("rule", registry.rules(), ids=lambda rule: rule.name)
def test_every_rule_is_well_formed(rule: type[Rule]) -> None:
    assert rule.needs, "a rule that needs nothing would call any trace clean"
    assert rule.needs <= set(Facet)
    known = {other.name for other in registry.rules()}
    assert set(rule.consequence_of) <= known - {rule.name}


@pytest.mark.parametrize("wanted", ["GT101", "gt101", " wrong-target-compiler "])
def test_a_rule_by_code_or_name(wanted: str) -> None:
    assert registry.rule(wanted).code == "GT101"


def test_an_unknown_rule_names_those_spelled_alike() -> None:
    with pytest.raises(
        LookupError, match="no rule has the code or name 'mising-header'; did you mean GT201 missing-header"
    ):
        registry.rule("mising-header")


def rule_of(code: str, name: str, module: str) -> type[Rule]:
    return type("Made", (registry.rule("GT101"),), {"code": code, "name": name, "__module__": module, "__doc__": "No."})


@pytest.mark.parametrize(
    ("code", "name", "module"),
    [
        ("GT101", "wrong-file", "gotrace.rules.other_file"),
        ("GT1", "short", "gotrace.rules.short"),
        ("XX101", "prefix", "gotrace.rules.prefix"),
        ("GT101", "Not_Kebab", "gotrace.rules.Not_Kebab"),
    ],
)
def test_a_rule_that_breaks_the_contract(code: str, name: str, module: str) -> None:
    with pytest.raises(DefectiveRuleError):
        registry.checked([rule_of(code, name, module)])


def test_codes_and_names_are_unique() -> None:
    one = rule_of("GT901", "one", "gotrace.rules.one")

    with pytest.raises(DefectiveRuleError, match="not unique"):
        registry.checked([one, rule_of("GT901", "two", "gotrace.rules.two")])
    with pytest.raises(DefectiveRuleError, match="not unique"):
        registry.checked([one, rule_of("GT902", "one", "gotrace.rules.one")])


def test_a_docstring_without_the_headings() -> None:
    with pytest.raises(DefectiveRuleError, match="headings"):
        registry.explanation(rule_of("GT901", "one", "gotrace.rules.one"))
