"""The README's Python example does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python_examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.root("the example is written for root")
def test_the_library_example_names_the_cause_and_the_fix(
    example: Callable[[str], Path], build_env: dict[str, str]
) -> None:
    (program,) = python_examples()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=example("cross-cgo"),
        env=build_env | {"GOARCH": "arm64", "CGO_ENABLED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "wrong-target-compiler" in done.stdout
    assert "CC=aarch64-linux-gnu-gcc" in done.stdout
