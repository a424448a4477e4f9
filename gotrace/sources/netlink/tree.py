"""Picks one process and its descendants out of what the whole machine does, and tells threads from processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gotrace.sources.netlink.messages import Acknowledged, Ended, Executed, Forked, Message
from gotrace.sources.netlink.records import ExecRecord, ExitRecord, ForkRecord, Record

_CORE: Final = 0x80
_SIGNAL: Final = 0x7F


@dataclass
class _Process:
    """A process that is followed: its threads, since when it runs its program, and the code of a thread that dumped."""

    threads: set[int]
    since_ns: int = 0
    dumped: int = 0


class Tree:
    """The processes that are followed, from the messages in the order of their arrival.

    The kernel names the parent that a new process has. Where the followed command gives a child to its own parent
    (CLONE_PARENT of clone(2)), that is a stranger, and the child is not followed.
    """

    def __init__(self) -> None:
        self._processes: dict[int, _Process] = {}
        self._root = 0

    def plant(self, pid: int) -> None:
        """From now on this process counts, and all that descends from it. It has one thread."""
        self._root = pid
        self._processes[pid] = _Process({pid})

    def take(self, message: Message) -> Record | None:
        """What the message means for the tree, if anything."""
        if isinstance(message, Forked):
            return self._fork(message)
        if isinstance(message, Acknowledged) or message.pid not in self._processes:
            return None
        return self._exec(message) if isinstance(message, Executed) else self._end(message)

    def led_by_themselves(self) -> Iterator[int]:
        """Processes that were not seen to end and whose first thread still runs."""
        return (pid for pid, process in self._processes.items() if pid in process.threads)

    def _fork(self, message: Forked) -> Record | None:
        if message.child_tid != message.child:
            # A thread's parent is that of its process; so it is the process itself that matters.
            if message.child in self._processes:
                self._processes[message.child].threads.add(message.child_tid)
            return None
        if message.parent in self._processes:
            self._processes[message.child] = _Process({message.child})
            return ForkRecord(message.ts_ns, message.parent, message.tid, message.child)
        if message.child != self._root:  # whose birth may be told after it presented itself
            self._processes.pop(message.child, None)  # the end of the one that had this number before was lost
        return None

    def _exec(self, message: Executed) -> Record:
        # The kernel has ended the other threads, and gave the process's number to the one that made the call.
        self._processes[message.pid] = _Process({message.pid}, message.ts_ns)
        return ExecRecord(message.ts_ns, message.pid, message.tid)

    def _end(self, message: Ended) -> Record | None:
        process = self._processes[message.pid]
        if message.tid not in process.threads or message.ts_ns < process.since_ns:
            return None  # a thread of the program before: its exec does not wait for the message
        process.threads.discard(message.tid)
        if message.code & _CORE:
            process.dumped = message.code
        if process.threads:
            return None
        del self._processes[message.pid]
        return ExitRecord(message.ts_ns, message.pid, message.tid, _of_process(message.code, process.dumped))


def _of_process(last: int, dumped: int) -> int:
    """What wait(2) tells: the code of the last thread, and that core was dumped where any thread knows of it.

    Threads that a signal takes along have no core flag. The first thread's own exit(2), with others still running, can
    tell wait(2) something else (wait_task_zombie in kernel/exit.c); the C library ends that way with status 0 only.
    """
    return dumped if dumped and dumped & _SIGNAL == last & _SIGNAL else last
