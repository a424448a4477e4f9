"""What is at an address that a program called, or looked at, though its loader had not relocated it: `unrelocated`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from gotrace.capture.facts.found import Found, real
from gotrace.capture.facts.loads import Load, loads
from gotrace.capture.facts.processes import Processes
from gotrace.elf.unrelocated import holding
from gotrace.events.model import KnownEvent, Signal

_FIRST: Final = 0x100
_LAST: Final = 1 << 31
"""No library is larger, and no process of 64 bits has anything so far below unless it was linked to be there."""
_MOST_FILES: Final = 64


def unrelocated_facts(processes: Processes, events: Sequence[KnownEvent]) -> list[Found]:
    """One for each address of a fatal signal and each mapped file that has it in a word to relocate."""
    faults = [event for event in events if isinstance(event, Signal)]
    found: dict[tuple[str, int, int], Found] = {}
    for load in loads(processes, events) if faults else ():
        for fact in _of(load, faults):
            found.setdefault((fact.subject, fact.data["address"], fact.pid), fact)
    return list(found.values())


def _of(load: Load, faults: Sequence[Signal]) -> Iterator[Found]:
    own = [fault for fault in faults if fault.pid == load.life.pid and fault.code > 0]
    addresses = {value for fault in own for value in (fault.ip, fault.address) if _FIRST <= value < _LAST}
    for path in load.mapped[:_MOST_FILES] if addresses else ():
        for address in sorted(addresses):
            with suppress(OSError, ValueError):
                held = holding(real(path), address)
                if held is not None:
                    words = {name: value for name, value in held._asdict().items() if value}
                    yield Found("unrelocated", path, {"address": address, **words}, load.life.pid)
