"""With GOTRACE_REQUIRE=all, as in CI, nothing that is skipped passes for tested."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.sources_of_the_project import ROOT

SKIPS = """
import pytest

@pytest.fixture
def tool():
    pytest.skip("no such tool")

def test_that_skips_itself(): pytest.skip("no such tool")

def test_whose_fixture_skips(tool): pass

@pytest.mark.skipif(True, reason="no root")
def test_that_is_marked(): pass

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail(): assert False
"""


@pytest.mark.parametrize(
    ("required", "outcome"), [("", "3 skipped, 1 xfailed"), ("all", "1 failed, 1 xfailed, 2 errors")]
)
def test_a_skip_is_a_failure_where_all_is_required(tmp_path: Path, required: str, outcome: str) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_skips.py").write_text(SKIPS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"GOTRACE_REQUIRE": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(outcome, done.stdout), done.stdout
    assert (done.returncode != 0) == bool(required)
