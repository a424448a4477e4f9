"""Checks a JSON report for the demo.

report_says.py diagnosed REPORT NAME   the first finding is NAME and the command failed
report_says.py clean REPORT            the command passed, nothing was found, every rule was evaluated
report_says.py fix REPORT              prints the first fix that is a command, its words separated by NUL
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def diagnosed(report: dict[str, Any], name: str) -> str | None:
    """What is wrong with a report that should name `name` as the root cause, or None."""
    findings = [finding["name"] for finding in report["findings"]]
    if report["command"]["exit"] == 0:
        return "the command passed"
    if findings[:1] != [name]:
        return f"the first finding should be {name}, but the findings are {findings}"
    return None


def clean(report: dict[str, Any]) -> str | None:
    """What is wrong with a report that should find nothing, or None."""
    if report["command"]["exit"] != 0:
        return f"the command exited with {report['command']['exit']}"
    if report["findings"]:
        return f"unexpected findings: {[finding['name'] for finding in report['findings']]}"
    if report["not_evaluated"]:
        return f"rules not evaluated: {report['not_evaluated']}"
    return None


def fix(report: dict[str, Any]) -> list[str]:
    """Words of the first command that the root cause names; leading VAR=VALUE words are given to env."""
    for entry in report["findings"][0]["fix"]:
        if entry["command"]:
            words = list(entry["command"])
            return ["env", *words] if "=" in words[0] else words
    return []


def main(arguments: list[str]) -> int:
    """Run one check; exit status 1 and a sentence on stderr where it does not hold."""
    question, path, *rest = arguments
    report = json.loads(Path(path).read_text())
    if question == "fix":
        sys.stdout.write("".join(word + "\0" for word in fix(report)))
        return 0
    problem = diagnosed(report, rest[0]) if question == "diagnosed" else clean(report)
    if problem:
        print(f"demo: {path}: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
