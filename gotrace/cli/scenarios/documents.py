"""Results for machines: JSON, and the XML that JUnit made common and every CI reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from xml.etree import ElementTree as ET

from gotrace.reports.escape import safe_json
from gotrace.scenario.model import Scenario
from gotrace.scenario.page import environments_of
from gotrace.scenario.result import ActResult, ScenarioResult, Status

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 ("Characters") has no way to write."""


def results_as_json(results: Sequence[ScenarioResult], scenarios: Mapping[str, Scenario]) -> str:
    """{"scenarios": [...]}, one object for each scenario and backend. Fields are only ever added."""
    return _document({"scenarios": [_result(result, scenarios[result.id]) for result in results]})


def catalogue_as_json(scenarios: Sequence[Scenario]) -> str:
    """{"scenarios": [...]} of what there is, before anything has run."""
    return _document({"scenarios": [_scenario(one) for one in scenarios]})


def results_as_junit(results: Sequence[ScenarioResult]) -> str:
    """A <testsuite> for each backend, a <testcase> for each scenario."""
    root = ET.Element("testsuites", _counts(results))
    by_backend = sorted(results, key=lambda result: result.backend)
    for backend, group in groupby(by_backend, key=lambda result: result.backend):
        cases = list(group)
        suite = ET.SubElement(root, "testsuite", {"name": f"gotrace scenarios by {backend}"} | _counts(cases))
        for case in cases:
            _testcase(suite, case)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _document(content: Mapping[str, Any]) -> str:
    return safe_json(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def _scenario(scenario: Scenario) -> dict[str, Any]:
    claim = scenario.claim
    return {
        "id": scenario.id,
        "title": scenario.title,
        "rule": scenario.rule,
        "verdict": None if claim is None else claim.verdict.value,
        "environment": environments_of(scenario),
        "requires": list(scenario.requires),
        "tags": list(scenario.tags),
        "fixes": len(scenario.fixes),
    }


def _result(result: ScenarioResult, scenario: Scenario) -> dict[str, Any]:
    return {
        "id": result.id,
        "status": result.status.value,
        "environment": result.environment,
        "findings": list(result.findings),
        "verdict": result.verdict,
        "seconds": round(result.seconds, 3),
        "why": result.why,
        "backend": result.backend,
        "title": scenario.title,
        "rule": scenario.rule,
        "reproduced": result.reproduced,
        "diagnosed": result.diagnosed,
        "fixed": result.fixed,
        "acts": [_act(act) for act in result.acts],
    }


def _act(act: ActResult) -> dict[str, Any]:
    return {
        "name": act.name,
        "title": act.title,
        "command": list(act.command),
        "ok": act.ok,
        "findings": list(act.findings),
        "seconds": round(act.seconds, 3),
        "why": list(act.why),
    }


def _counts(results: Sequence[ScenarioResult]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(result.status is Status.FAILED for result in results)),
        "errors": "0",
        "skipped": str(sum(result.status is Status.SKIPPED for result in results)),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }


def _testcase(suite: ET.Element, result: ScenarioResult) -> None:
    attributes = {"name": result.id, "classname": f"scenarios.{result.backend}", "time": f"{result.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", attributes)
    if result.status is Status.PASSED:
        return
    tag = "failure" if result.status is Status.FAILED else "skipped"
    told = ET.SubElement(case, tag, {"message": _xml(result.why)})
    told.text = _xml("\n".join(f"{act.name}: {why}" for act in result.acts for why in act.why)) or None


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
