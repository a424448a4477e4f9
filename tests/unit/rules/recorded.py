"""What the rules say of a recording, for tests of one rule."""

from __future__ import annotations

from pathlib import Path

from gotrace.events.recording import read_recording
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding
from gotrace.trace.builder import build

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"


def findings(name: str) -> list[Finding]:
    """All root causes."""
    recording = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    return diagnose(build(recording.header, recording.events)).findings


def finding(name: str) -> Finding:
    """The only one there may be."""
    (found,) = findings(name)
    return found


def ways_out(found: Finding) -> str:
    """The texts of its fixes, and their commands."""
    return "\n".join(f"{fix.text} {' '.join(fix.command or ())}" for fix in found.fix)
