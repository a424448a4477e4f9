"""After becoming another user nothing more need be imported, since that user may not be able to read it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AFTERWARDS = """
import sys
from gotrace.cli import preload
preload.load_all()
before = set(sys.modules)
from gotrace.api import diagnose, load
from gotrace.cli.outputs import Format, render
trace = load(sys.argv[1])
for form in Format:
    assert render(form, trace, diagnose(trace), None, colour=True)
"ascii".encode("ascii")
print(sorted(set(sys.modules) - before))
"""


def test_reading_diagnosing_and_reporting_import_nothing_more(recording: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, str(recording)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
