"""A warm start loads nothing heavy: the programs come from the cache, through bpf(2)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def modules_of(arguments: list[str], tmp_path: Path) -> set[str]:
    """Top-level packages that a gotrace command imports in its own process."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gotrace", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def test_neither_bcc_nor_pyroute2_nor_ptrace_is_imported(tmp_path: Path, privileges: tuple[str, ...]) -> None:
    build = ["build", *privileges, "-q", "--", "/bin/true"]
    modules_of(build, tmp_path)  # the first may compile
    assert modules_of(build, tmp_path).isdisjoint({"bcc", "pyroute2", "ptrace", "pydantic"})


def test_help_needs_no_part_of_a_capture(tmp_path: Path) -> None:
    assert modules_of(["--help"], tmp_path).isdisjoint({"bcc", "pyroute2", "ptrace", "msgspec", "rich", "elftools"})
