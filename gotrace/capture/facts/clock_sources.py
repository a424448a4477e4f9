"""By what this kernel tells the time: looked at where programs read the clock by system calls, as they need not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.capture.facts.found import Found, recorded
from gotrace.capture.mappings import VDSO
from gotrace.events.model import ClockReads, KnownEvent

_FOLDER: Final = Path("/sys/devices/system/clocksource/clocksource0")


def clock_source_facts(events: Sequence[KnownEvent], folder: Path = _FOLDER) -> Iterator[Found]:
    """The `clock_source` fact; none where no clock was read by a system call."""
    if not any(isinstance(event, ClockReads) for event in events):
        return
    current = _words(folder / "current_clocksource")
    yield Found(
        "clock_source",
        current[0] if current else "",
        {"available": _words(folder / "available_clocksource"), "vdso": _has_vdso()},
    )


def _words(file: Path) -> list[str]:
    with suppress(OSError):
        return recorded(file.read_text(encoding="utf-8", errors="replace")).split()
    return []


def _has_vdso() -> bool:
    """Whether the kernel maps one into us."""
    with suppress(OSError):
        return VDSO in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    return False
