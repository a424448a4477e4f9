"""The report for programs: one JSON object, described by schema/report-1.json, to which later versions only add."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from gotrace.events.tools import Role
from gotrace.reports.ending import ending_of, failed_builds
from gotrace.reports.escape import safe_json
from gotrace.reports.failed import first_error, unexplained_steps
from gotrace.reports.json_parts import process
from gotrace.reports.json_running import of_a_run
from gotrace.reports.timings import slowest_first
from gotrace.rules.finding import Diagnosis, Evidence, Finding
from gotrace.trace.buildcache import CacheUse, cache_use, private_folder
from gotrace.trace.model import Trace
from gotrace.trace.summary import summary

SCHEMA = "gotrace.report/1"


class JsonReport:
    """Renders one indented JSON document. Texts are those of the recording, however hostile; JSON escapes them.

    `timings` adds what each rule took.
    """

    def __init__(self, *, timings: bool = False) -> None:
        self._timings = timings

    def render(self, trace: Trace, diagnosis: Diagnosis) -> str:
        """The document, ending with a newline."""
        told = document(trace, diagnosis)
        if self._timings:
            told["timings"] = {code: round(seconds, 6) for code, seconds in slowest_first(diagnosis).items()}
        return safe_json(json.dumps(told, indent=2, ensure_ascii=False)) + "\n"


def document(trace: Trace, diagnosis: Diagnosis) -> dict[str, Any]:
    """The report as plain values."""
    ending = ending_of(trace)
    return {
        "schema": SCHEMA,
        "command": {
            "argv": list(trace.header.argv),
            "cwd": trace.header.cwd,
            "exit": ending.exit,
            "signal": ending.signal,
            "seconds": ending.seconds,
        },
        "source": trace.header.source,
        "host": trace.header.host,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "unexplained": [
            {"process": process(span), "text": first_error(span)} for span in unexplained_steps(trace, diagnosis)
        ],
        **of_a_run(trace, diagnosis),
        "not_evaluated": [
            {"code": rule.code, "name": rule.name, "reason": rule.reason} for rule in diagnosis.not_evaluated
        ],
        "degraded": [*trace.header.degraded, *([trace.damage] if trace.damage else [])],
        "lost": [
            {"what": lost.what, "count": lost.count, "reason": lost.reason, "exact": lost.exact} for lost in trace.lost
        ],
        "counts": _counts(trace),
        "builds": [_build(use) for use in cache_use(trace)],
        "fresh": private_folder(trace) is not None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "message": finding.message,
        "process": None if finding.span is None else process(finding.span),
        "source": None if finding.source is None else asdict(finding.source),
        "evidence": [_evidence(piece) for piece in finding.evidence],
        "fix": [{"text": fix.text, "command": list(fix.command) if fix.command else None} for fix in finding.fix],
        "consequences": [_finding(consequence) for consequence in finding.consequences],
        "confidence": finding.confidence,
    }


def _build(use: CacheUse) -> dict[str, Any]:
    return {
        "process": process(use.build.span),
        "subcommand": use.build.subcommand,
        "packages": use.packages_compiled,
        "from_cache": None if use.packages is None else use.packages.value,
    }


def _evidence(piece: Evidence) -> dict[str, Any]:
    return {"ts_ns": piece.ts_ns, "pid": piece.pid, "text": piece.text, "event": piece.event}


def _counts(trace: Trace) -> dict[str, Any]:
    counted = summary(trace)
    return {
        "events": trace.events,
        "processes": counted.processes,
        "execs": counted.execs,
        "refused_execs": counted.refused_execs,
        "failed_calls": counted.errors,
        "packages": counted.packages,
        "builds": len(trace.builds),
        "failed_builds": len(failed_builds(trace)),
        "tool_runs": {role.value: counted.runs[role] for role in Role if counted.runs.get(role)},
        "seconds": dict(counted.group_seconds),
        "noise": (trace.fact("counts") or {}).get("noise", {}),
    }
