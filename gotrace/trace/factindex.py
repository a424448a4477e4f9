"""Finds facts by their sort and process: rules ask for those of each build, and one make may run a thousand."""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.events.model import Fact

_ANY = None


class FactIndex:
    """An index over a list of facts that belongs to somebody else; made anew when that list has changed."""

    __slots__ = ("_by_name", "_by_pid", "_state")

    def __init__(self) -> None:
        self._state: tuple[int, ...] = ()
        self._by_name: dict[str, list[Fact]] = {}
        self._by_pid: dict[str, dict[object, list[Fact]]] = {}

    def of(self, facts: Sequence[Fact], name: str, pid: int | None = None) -> list[Fact]:
        """Those of one sort, in order; with a pid those whose `data` name that process, or none at all."""
        state = (len(facts), id(facts), *map(id, facts[:1]), *map(id, facts[-1:]))
        if state != self._state:
            self._state, self._by_pid, self._by_name = state, {}, {}
            for fact in facts:
                self._by_name.setdefault(fact.name, []).append(fact)
        found = self._by_name.get(name, [])
        return found if pid is None else self._for(name, pid, found)

    def _for(self, name: str, pid: int, found: Sequence[Fact]) -> list[Fact]:
        by_pid = self._by_pid.get(name)
        if by_pid is None:
            by_pid = self._by_pid[name] = {}
            for fact in found:
                by_pid.setdefault(fact.data.get("pid", _ANY), []).append(fact)
        own, of_any = by_pid.get(pid, []), by_pid.get(_ANY, [])
        return sorted([*own, *of_any], key=lambda fact: (fact.ts_ns, fact.seq)) if own and of_any else own or of_any
