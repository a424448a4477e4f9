from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gotrace.events.model import Fact
from gotrace.reports.json_report import JsonReport
from gotrace.rules.finding import Diagnosis
from gotrace.trace.model import Trace
from tests.unit.reports.made import trace, with_losses, wrong_compiler

SCHEMA = json.loads(resources.files("gotrace.reports").joinpath("schema/report-1.json").read_text())


def report(made: Trace, diagnosis: Diagnosis) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(JsonReport().render(made, diagnosis))
    Draft202012Validator(SCHEMA).validate(document)
    return document


def test_the_schema_is_a_schema_and_forbids_what_is_wrong() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    made = trace(failed=True)
    document = report(made, wrong_compiler(made))
    document["findings"][0]["severity"] = "fatal"
    assert not Draft202012Validator(SCHEMA).is_valid(document)


def test_a_failing_build() -> None:
    made = trace(failed=True)
    document = report(made, wrong_compiler(made))
    assert document["schema"] == "gotrace.report/1"
    assert document["command"] == {
        "argv": ["go", "build", "-o", "hello", "."],
        "cwd": "/home/ada/hello",
        "exit": 1,
        "signal": None,
        "seconds": 3.25,
    }
    assert document["source"] == "ebpf"
    assert document["host"]["distribution"] == "debian"
    (finding,) = document["findings"]
    assert (finding["code"], finding["severity"]) == ("GT101", "error")
    assert finding["process"] == {
        "pid": 102,
        "role": "cc",
        "argv": ["/usr/bin/gcc", "-I", "/tmp/go-build1/b001/", "-fPIC", "-pthread", "-c", "runtime/cgo/gcc_arm64.S"],
        "cwd": "/home/ada/hello",
        "package": "runtime/cgo",
        "exit": 1,
        "signal": None,
    }
    assert finding["evidence"][0] == {
        "ts_ns": 2_500_000_000,
        "pid": 102,
        "text": 'execve("/usr/bin/gcc", ["gcc", "-I", "/tmp/go-build1/b001/", ...]) = 0',
        "event": "exec",
    }
    assert finding["fix"][0]["command"][:2] == ["CC=aarch64-linux-gnu-gcc", "CGO_ENABLED=1"]
    assert finding["fix"][1]["command"] is None
    assert [one["name"] for one in finding["consequences"]] == ["assembler-rejects"]
    assert document["not_evaluated"][0]["name"] == "cgo-disabled"
    assert document["counts"]["tool_runs"] == {"go": 1, "compile": 1, "cc": 1, "as": 1}
    assert document["counts"]["seconds"]["go"] == 2.0
    assert document["counts"]["events"] == 4321


def test_a_clean_build() -> None:
    document = report(trace(failed=False), Diagnosis())
    assert document["command"]["exit"] == 0
    assert (document["findings"], document["not_evaluated"], document["degraded"], document["lost"]) == ([], [], [], [])


def test_each_go_command_says_what_it_took_from_the_cache() -> None:
    made = trace(failed=False)
    document = report(made, Diagnosis())
    assert document["fresh"] is False
    (build,) = document["builds"]
    assert (build["subcommand"], build["packages"], build["from_cache"]) == ("build", 1, "none")
    assert build["process"]["pid"] == 100
    made.builds[0].spans.clear()
    made.facts.append(Fact(ts_ns=1, pid=0, name="fresh_cache", subject="/tmp/x"))
    document = report(made, Diagnosis())
    assert (document["fresh"], document["builds"][0]["from_cache"]) == (True, "all")


def test_what_no_finding_accounts_for_is_told_with_its_own_words() -> None:
    made = trace(failed=True)
    assert report(made, wrong_compiler(made))["unexplained"] == []
    (step,) = report(made, Diagnosis())["unexplained"]
    assert (step["process"]["pid"], step["process"]["role"]) == (103, "as")
    assert step["text"] == "gcc_arm64.S:30: Error: no such instruction: `stp x29,x30'"


def test_a_failed_build_counts_whatever_the_command_made_of_it() -> None:
    made = trace(failed=True)
    made.facts[0].data["exit"] = 0
    document = report(made, Diagnosis())
    assert document["command"]["exit"] == 0
    assert (document["counts"]["builds"], document["counts"]["failed_builds"]) == (1, 1)
    assert report(trace(failed=False), Diagnosis())["counts"]["failed_builds"] == 0


def test_losses_and_damage_are_never_left_out() -> None:
    document = report(with_losses(trace(failed=False)), Diagnosis())
    assert document["lost"] == [
        {"what": "syscall_error", "count": 12, "reason": "the ring buffer was full", "exact": True},
        {"what": "exec", "count": 3, "reason": "a program was missed", "exact": False},
    ]
    assert document["degraded"][-1] == "it ends in the middle of line 4322"


def test_an_empty_trace_is_reported_with_nulls() -> None:
    document = report(Trace(trace(failed=False).header), Diagnosis())
    assert document["command"]["exit"] is document["command"]["seconds"] is None


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\u202e", "\x9b", "\ud800", "\x00", '"', "é", "\u2028"])
def test_hostile_text_keeps_its_value_but_is_not_written_raw(hostile: str) -> None:
    made = trace(failed=False)
    made.header.argv = (hostile,)
    text = JsonReport().render(made, Diagnosis())
    assert json.loads(text)["command"]["argv"] == [hostile]
    assert hostile not in text or hostile in 'é"'


@given(st.text())
def test_any_text_survives(text: str) -> None:
    made = trace(failed=False)
    made.header.cwd = text
    assert report(made, Diagnosis())["command"]["cwd"] == text
