"""What was mapped where, in which process, at which moment: the history that Library, Fork and Exec events tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gotrace.events.model import Event, Exec, Fork, Library

VDSO = "[vdso]"


class Mapping(NamedTuple):
    """`path`, from byte `offset` on, was executable from `base` to `end` since `since_ns` (as in Library)."""

    since_ns: int
    base: int
    end: int
    offset: int
    path: str
    device: int
    inode: int


@dataclass(slots=True)
class _Image:
    """A process from one exec (or its birth) to the next: its mappings in the order in which they were told."""

    since_ns: int
    mappings: list[Mapping]


class Mappings:
    """The mappings of all processes, asked for a moment: a pid may have run other programs before and after."""

    def __init__(self) -> None:
        self._images: dict[int, list[_Image]] = {}

    def see(self, event: Event) -> None:
        """Take note of an event; others than Library, Fork and Exec say nothing of mappings."""
        if isinstance(event, Library):
            self._library(event)
        elif isinstance(event, Fork):
            self._fork(event)
        elif isinstance(event, Exec) and not event.error:
            self._exec(event)

    def at(self, pid: int, when_ns: int, ip: int) -> Mapping | None:
        """What was mapped at an address then: the newest of that moment; one told too late counts as well."""
        images = self._images.get(pid)
        return _covering(_image_of(images, when_ns).mappings, when_ns, ip) if images else None

    def state(self, pid: int, when_ns: int) -> tuple[int, ...]:
        """Equal for two moments of a process, and two times of asking, between which the answers are the same."""
        images = self._images.get(pid)
        if not images:
            return (pid,)
        image = _image_of(images, when_ns)
        later = 0
        for mapping in reversed(image.mappings):  # few are told after a program has started
            if mapping.since_ns <= when_ns:
                break
            later += 1
        return pid, image.since_ns, len(image.mappings), later

    def _library(self, event: Library) -> None:
        images = self._images.setdefault(event.pid, [_Image(event.ts_ns, [])])
        end = event.base + event.size
        images[-1].mappings.append(
            Mapping(event.ts_ns, event.base, end, event.offset, event.path, event.device, event.inode)
        )

    def _fork(self, event: Fork) -> None:
        above = self._images.get(event.pid)
        inherited = [mapping for mapping in above[-1].mappings if mapping.since_ns <= event.ts_ns] if above else []
        below = self._images.setdefault(event.child_pid, [])
        if below and below[-1].since_ns >= event.ts_ns:  # the child was heard of before its birth was
            below[0].mappings[:0] = inherited
        else:
            below.append(_Image(event.ts_ns, inherited))

    def _exec(self, event: Exec) -> None:
        images = self._images.setdefault(event.pid, [])
        fresh: list[Mapping] = []
        if images:  # those of the new program may have been heard of before its exec was
            last = images[-1].mappings
            fresh = [mapping for mapping in last if mapping.since_ns > event.ts_ns]
            last[:] = [mapping for mapping in last if mapping.since_ns <= event.ts_ns]
        images.append(_Image(event.ts_ns, fresh))


def _image_of(images: list[_Image], when_ns: int) -> _Image:
    """The one of that moment, else the first."""
    if images[-1].since_ns <= when_ns:  # as good as always, and asked a hundred thousand times
        return images[-1]
    return next((image for image in reversed(images) if image.since_ns <= when_ns), images[0])


def _covering(mappings: list[Mapping], when_ns: int, ip: int) -> Mapping | None:
    covering = [mapping for mapping in mappings if mapping.base <= ip < mapping.end]
    earlier = [mapping for mapping in covering if mapping.since_ns <= when_ns]
    return earlier[-1] if earlier else next(iter(covering), None)
