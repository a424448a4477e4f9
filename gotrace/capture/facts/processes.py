"""The processes of a capture as the fact gatherers need them: images, end, and paths looked up in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from errno import ENOENT

from gotrace.capture.roots import Root, root_of
from gotrace.events.model import Exec, Exit, Fork, KnownEvent, Output, SyscallError
from gotrace.events.tools import Role, is_tool, own_argv, role_of

_STORY = (Fork, Exec, Exit, Output)
"""The few events that say what ran; the failing calls are many."""


@dataclass(eq=False, slots=True)
class Image:
    """One program that a process ran."""

    process: ProcessLife
    exec: Exec
    role: Role

    @property
    def argv(self) -> tuple[str, ...]:
        """Its arguments, itself first and without a script's interpreter; empty where they could not be read."""
        return tuple(own_argv(self.exec.path, self.exec.argv or ()))


@dataclass(eq=False, slots=True)
class ProcessLife:
    """One life of a pid."""

    pid: int
    parent: ProcessLife | None = None
    start_ns: int = 0
    end_ns: int | None = None
    exit: Exit | None = None
    images: list[Image] = field(default_factory=list)
    children: list[ProcessLife] = field(default_factory=list)
    output: list[Output] = field(default_factory=list)
    missing: list[SyscallError] = field(default_factory=list)
    """Its calls that ended with ENOENT and name a path, in order; kept for processes that failed."""

    @property
    def failed(self) -> bool:
        """It ended, and not with status 0."""
        return self.exit is not None and (self.exit.status != 0 or self.exit.signal is not None)

    @property
    def text(self) -> str:
        """What it wrote to its stderr."""
        return "".join(part.text for part in self.output)


class Processes:
    """All processes of a capture, made from its events in any order; `within` has only the programs of one root.

    Deliberately less than a trace: it is needed right after the command's end, for two or three questions.
    """

    def __init__(self, events: Sequence[KnownEvent]) -> None:
        self._lives: dict[int, list[ProcessLife]] = {}
        self._root: Root | None = None
        story = [event for event in events if isinstance(event, _STORY)]
        story.sort(key=lambda event: (event.ts_ns, event.seq))
        for event in story:
            self._tell(event)
        self._keep_missing(events)

    def __iter__(self) -> Iterator[ProcessLife]:
        return (life for lives in self._lives.values() for life in lives)

    def images(self, *roles: Role) -> Iterator[Image]:
        """Programs with one of these roles, in the order in which their processes began."""
        return (image for life in self for image in life.images if image.role in roles and self._has(image))

    def lives(self) -> Iterator[ProcessLife]:
        """Processes whose last program's paths begin in this root, whatever that program was."""
        return (life for life in self if life.images and self._has(life.images[-1]))

    def failed(self, *roles: Role) -> Iterator[ProcessLife]:
        """Processes that failed and whose last program has one of these roles."""
        failed = (life for life in self if life.failed and life.images and life.images[-1].role in roles)
        return (life for life in failed if self._has(life.images[-1]))

    def within(self, root: Root) -> Processes:
        """The same, for programs whose paths begin there."""
        same = copy(self)
        same._root = root
        return same

    def other_roots(self, *, of_all: bool = False) -> list[Root]:
        """Where else than at our own root the paths of build tools (of all programs) began; those of failures first."""
        tools = [image for life in self for image in life.images if of_all or is_tool(image.role)]
        roots = dict.fromkeys(
            root_of(image.exec) for image in sorted(tools, key=lambda image: not image.process.failed)
        )
        return [root for root in roots if not root.is_ours]

    def _has(self, image: Image) -> bool:
        return self._root is None or self._root == root_of(image.exec)

    def _tell(self, event: Fork | Exec | Exit | Output) -> None:
        life = self._life(event.pid, event.ts_ns)
        match event:
            case Fork():
                child = ProcessLife(event.child_pid, parent=life, start_ns=event.ts_ns)
                self._lives.setdefault(event.child_pid, []).append(child)
                life.children.append(child)
            case Exec(error=0):
                life.images.append(Image(life, event, role_of(event.path, event.argv)))
            case Exit():
                life.exit, life.end_ns = event, event.ts_ns
            case Output():
                life.output.append(event)

    def _life(self, pid: int, now_ns: int) -> ProcessLife:
        """The present life of a pid: a pid that comes back after its exit is another process."""
        lives = self._lives.setdefault(pid, [])
        if not lives or lives[-1].end_ns is not None:
            lives.append(ProcessLife(pid, start_ns=now_ns))
        return lives[-1]

    def _keep_missing(self, events: Iterable[KnownEvent]) -> None:
        failed = {pid for pid, lives in self._lives.items() if any(life.failed for life in lives)}
        for event in events:
            if isinstance(event, SyscallError) and event.errno == ENOENT and event.pid in failed and event.paths:
                for life in self._lives[event.pid]:
                    if life.start_ns <= event.ts_ns and (life.end_ns is None or event.ts_ns <= life.end_ns):
                        life.missing.append(event)
        for pid in failed:
            for life in self._lives[pid]:
                life.missing.sort(key=lambda error: (error.ts_ns, error.seq))
