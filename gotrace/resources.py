"""Finds the files that gotrace ships beside its code: at the root of a checkout, inside the package in a wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path

VERSION = "0.1.0"
"""Version of gotrace, also written into each recording."""

_PACKAGE = Path(__file__).resolve().parent


@cache
def probes_dir() -> Path:
    """Folder of the BPF C files and of the stub kernel headers (`include/`)."""
    in_wheel = _PACKAGE / "probes"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / "probes"


@cache
def scenarios_dir() -> Path:
    """Folder of the scenario files."""
    in_wheel = _PACKAGE / "scenarios"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / "scenarios"
