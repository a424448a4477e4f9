"""What the instructions are that a processor did not know, and what this one knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.capture.facts.found import Found
from gotrace.elf.instruction import decode, groups
from gotrace.events.model import KnownEvent, Signal
from gotrace.events.signals import SIGNALS

_ILLEGAL: Final = next(number for number, name in SIGNALS.items() if name == "SIGILL")
_MOST: Final = 8
_NO_FEATURES: Final = frozenset({"mode64", "not64bitmode", "jump", "call", "ret", "privilege", "branch_relative"})
_FLAGS: Final = {
    "avx512": "avx512f",
    "bwi": "avx512bw",
    "cdi": "avx512cd",
    "dqi": "avx512dq",
    "eri": "avx512er",
    "pfi": "avx512pf",
    "vlx": "avx512vl",
    "sse1": "sse",
    "sse3": "pni",
    "sse41": "sse4_1",
    "sse42": "sse4_2",
    "bmi": "bmi1",
    "sha": "sha_ni",
    "pclmul": "pclmulqdq",
}
"""capstone's names of features, where /proc/cpuinfo has others."""


def instruction_facts(events: Sequence[KnownEvent]) -> Iterator[Found]:
    """An `instruction` fact for each illegal instruction: its name, the features it needs, which are not there."""
    told: set[str] = set()
    for event in events:
        if not isinstance(event, Signal) or event.signal != _ILLEGAL or event.instruction in told or len(told) == _MOST:
            continue
        told.add(event.instruction)
        code = bytes.fromhex(event.instruction)
        found = decode(code, event.ip)
        if found is None:
            continue
        features = sorted(_FLAGS.get(name, name) for name in groups(code) if name not in _NO_FEATURES)
        here = _flags()
        lacking = [name for name in features if here and name not in here]
        data = {"instruction": found.name, "operands": found.operands, "features": features, "lacking": lacking}
        yield Found("instruction", event.instruction, data, event.pid)


def _flags() -> frozenset[str]:
    """What the processor has, as Linux calls it; empty where it does not say."""
    with suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    return frozenset()
