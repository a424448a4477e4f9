"""Tables in Markdown, and where their numbers are from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    """One table: its head and its rows."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def yes(reached: bool) -> str:
    """Whether a bar was reached, for its column."""
    return "yes" if reached else "no"


def place() -> str:
    """When and where was measured, in one sentence."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    processor = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {release}, Linux {platform.release()}, {os.cpu_count()} CPUs "
        f"({processor.partition(':')[2].strip()}), load {os.getloadavg()[0]:.1f} at the end."
    )
