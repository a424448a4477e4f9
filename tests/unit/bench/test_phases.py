"""Where the CPU of a run went, tried on a stand-in for gotrace that spends known amounts in each phase."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from bench.process import run

pytestmark = pytest.mark.skipif(shutil.which("dash") is None, reason="needs dash, as a command that is no Python")

START, COMMAND_LOOPS, DETACHED, REPORT, TOOL = 0.2, 300_000, 0.15, 0.25, 0.1

STAND_IN = f"""
import os, subprocess, sys, time

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass

ask, answer = os.pipe()
done, burnt = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(answer)
        os.read(ask, 1)
        burn({DETACHED})
        os.write(burnt, b"burnt\\n")
        os.read(ask, 1)
    os._exit(0)
os.wait()
burn({START})
loop = "i=0; while [ $i -lt {COMMAND_LOOPS} ]; do i=$((i+1)); done; read word"
command = subprocess.Popen(["dash", "-c", loop], stdin=done)
time.sleep(0.3)  # to be seen
os.write(answer, b"x")
command.wait()
time.sleep(0.3)
burn({REPORT})
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < {TOOL}: pass"])
"""


def test_each_phase_has_what_was_used_in_it(tmp_path: Path) -> None:
    cost = run([sys.executable, "-c", STAND_IN], tmp_path, os.environ, tmp_path / "log", watched=True)
    course = cost.course
    assert course is not None
    assert course.start_s >= START
    assert course.report_s >= REPORT + TOOL - 0.02  # the kernel tells of reaped children in steps of 10 ms
    assert DETACHED <= course.detached_s < DETACHED + 0.1
    assert course.command_s > course.detached_s
    assert course.start_s + course.command_s + course.report_s == pytest.approx(cost.cpu_s)
    assert course.start_s < START + 0.3
    assert course.report_s < REPORT + TOOL + 0.2
