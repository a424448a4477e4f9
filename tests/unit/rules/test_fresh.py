"""After `--fresh` no fix names the folder that gotrace made for one build."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.events.model import Exec, Fact
from gotrace.events.recording import read_recording
from gotrace.events.tools import Role, role_of
from gotrace.rules.engine import diagnose
from gotrace.trace.builder import build

RECORDINGS = Path(__file__).parents[2] / "recordings"
ALL = sorted(path for path in RECORDINGS.glob("*.zst") if ".fixed" not in path.name)


def caches_in_fixes(path: Path, *, fresh: bool) -> list[str]:
    """The commands of fixes that name the build cache of the recording's go command."""
    read = read_recording(path)
    gos = [e for e in read.events if isinstance(e, Exec) and not e.error and role_of(e.path, e.argv) is Role.GO]
    cache = next((event.env["GOCACHE"] for event in gos if event.env and "GOCACHE" in event.env), "")
    if not cache:
        return []
    events = [*read.events, *([Fact(ts_ns=0, pid=0, name="fresh_cache", subject=cache)] if fresh else [])]
    diagnosis = diagnose(build(read.header, events))
    return [f"{fix.command}" for finding in diagnosis.findings for fix in finding.fix if cache in f"{fix.command}"]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name.partition(".")[0])
def test_no_fix_names_it(path: Path) -> None:
    assert caches_in_fixes(path, fresh=True) == []


def test_without_it_the_full_cache_is_named() -> None:
    assert len(caches_in_fixes(RECORDINGS / "build-cache-full.gotrace.zst", fresh=False)) == 1
