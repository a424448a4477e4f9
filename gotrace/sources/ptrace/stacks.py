"""What it takes to find a failing call's callers by unwind tables, read while its thread stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from gotrace.elf.unwind.goroutine import goroutine_callers
from gotrace.sources.ptrace import abi, bodies, records
from gotrace.sources.ptrace.faults import STACK_BYTES
from gotrace.sources.ptrace.processes import Process
from gotrace.sources.ptrace.stops import Stop

_A_SECOND: Final = 250
"""As many as eBPF tells on each CPU."""
_OF_A_KIND: Final = 8
"""In a second of which there were many already, then the 16th, the 32nd and so on: as in probes/stacks.c."""
_SECOND_NS: Final = 1_000_000_000


class Stacks:
    """Those of the calls of all processes."""

    def __init__(self) -> None:
        self._second = self._told = 0
        self._seen: Counter[Hashable] = Counter()

    def moment(self, process: Process, stop: Stop, values: Sequence[int], now_ns: int) -> bytes | None:
        """A record about a thread that stands behind a call that failed; None where others of its kind had theirs."""
        if now_ns // _SECOND_NS != self._second:
            self._second = now_ns // _SECOND_NS
            self._seen.clear()
            self._told = 0
        kind = (process.pid, stop.mark, stop.result, stop.ip, stop.text)
        self._seen[kind] += 1
        number = self._seen[kind]
        many = self._told >= _A_SECOND // 2 and number > _OF_A_KIND and number & (number - 1)
        if not values or many or self._told >= _A_SECOND:
            return None
        self._told += 1
        memory = process.memory.read(values[abi.RSP], STACK_BYTES)
        callers = goroutine_callers(memory, process.memory.read)
        registers = tuple(values[abi.PLACES[name]] for name in bodies.REGISTERS)
        return records.stack(now_ns, process.who(stop.tid), bodies.Thread(registers, memory, tuple(callers)))
