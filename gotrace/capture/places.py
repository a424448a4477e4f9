"""What is at an address of a process: the file that was mapped there at that time, and the place in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gotrace.capture.mappings import Mapping, Mappings
from gotrace.capture.modules import Module, Modules
from gotrace.elf.functions import Function
from gotrace.events.model import Event


class Place(NamedTuple):
    """A place in the code of a process: `address` is what the module's own tables call it, 0 where nothing tells."""

    mapping: Mapping
    module: Module
    address: int

    @property
    def function(self) -> Function | None:
        """The function that it is in."""
        return self.module.function_at(self.address) if self.address else None

    @property
    def is_go(self) -> bool:
        """It is Go code, which no C compiler's tables tell of."""
        return self.module.origin(self.function) == "go"


class Places:
    """Follows the mappings of each process. See `Mappings` and `Modules`."""

    def __init__(self) -> None:
        self._mappings = Mappings()
        self._modules = Modules()
        self._asked: dict[tuple[int, ...], dict[int, Place | None]] = {}

    def see(self, event: Event) -> None:
        """Take note of an event."""
        self._mappings.see(event)

    def state(self, pid: int, when_ns: int) -> tuple[int, ...]:
        """Equal where the answers are the same: see `Mappings.state`."""
        return self._mappings.state(pid, when_ns)

    def mapping_at(self, pid: int, when_ns: int, ip: int) -> Mapping | None:
        """What was mapped at an address then."""
        return self._mappings.at(pid, when_ns, ip)

    def module(self, mapping: Mapping, pid: int) -> Module:
        """The file of a mapping of that process."""
        return self._modules.of(mapping, pid)

    def of(self, pid: int, when_ns: int) -> Callable[[int], Place | None]:
        """What is at the addresses of a process then; None where nothing was mapped."""
        known = self._asked.setdefault(self.state(pid, when_ns), {})

        def at(ip: int) -> Place | None:
            if ip not in known:
                known[ip] = self._found(pid, when_ns, ip)
            return known[ip]

        return at

    def _found(self, pid: int, when_ns: int, ip: int) -> Place | None:
        mapping = self.mapping_at(pid, when_ns, ip)
        if mapping is None:
            return None
        module = self.module(mapping, pid)
        return Place(mapping, module, module.address_of(mapping, ip) or 0)
