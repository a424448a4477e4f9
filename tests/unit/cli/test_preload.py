"""After becoming another user nothing more need be loaded, since that user may not be able to read it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from gotrace.cli import preload
from gotrace.errors import GotraceError

RECORDINGS = Path(__file__).parents[2] / "recordings"

AFTERWARDS = """
import os, sys
from pathlib import Path
import gotrace
from gotrace.cli import preload
preload.load_all()
before, opened = set(sys.modules), []
ours = (sys.prefix, sys.base_prefix, str(Path(gotrace.__file__).parent))
sys.addaudithook(lambda event, args: opened.append(args[0])
                 if event == "open" and str(args[0]).startswith(ours) else None)
from gotrace.api import diagnose, load
from gotrace.cli.outputs import Format, render
from gotrace.elf.dynamic import read_dynamic
trace = load(sys.argv[1])
for form in Format:
    assert render(form, trace, diagnose(trace), None, colour=True)
read_dynamic(Path("/proc/self/exe"))
"ascii".encode("ascii")
print(sorted(set(sys.modules) - before), opened)
"""


@pytest.mark.parametrize("name", ["wrong-target-compiler", "missing-header", "missing-library", "healthy-cold"])
def test_reading_diagnosing_and_reporting_load_nothing_more(name: str) -> None:
    recording = RECORDINGS / f"{name}.gotrace.zst"
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, str(recording)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] []\n"


def test_all_must_be_readable_not_only_pythons_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert preload.readable()
    spec = find_spec("rich")
    assert spec is not None
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, *rest, **more: path != spec.origin and access(path, *rest, **more))
    assert not preload.readable()


def test_what_cannot_be_loaded_ahead_is_one_plain_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "_LAZY", ("not_there_at_all",))
    with pytest.raises(GotraceError, match="cannot load all of gotrace ahead: No module named 'not_there_at_all'"):
        preload.load_all()
