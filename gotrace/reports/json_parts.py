"""What several parts of the report for programs have in common."""

from __future__ import annotations

from typing import Any

from gotrace.trace.model import Span


def process(span: Span) -> dict[str, Any]:
    """The image that a process ran, as `$defs/process` of the schema has it."""
    return {
        "pid": span.process.pid,
        "role": span.role.value,
        "argv": list(span.argv),
        "cwd": span.exec.cwd,
        "package": span.package,
        "exit": span.exit.status if span.exit else None,
        "signal": span.exit.signal if span.exit else None,
    }
