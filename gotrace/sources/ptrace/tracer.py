"""The tracer: what it makes of each stop, until the last tracee is gone.

It is correct where naive tracers are not: a child may stop before its parent says that it was born; an exec by another
thread than the leader takes the leader's id over; a process can be killed in any stop, and then simply is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from gotrace.sources.ptrace import abi, records
from gotrace.sources.ptrace.abi import PTRACE_EVENT_CLONE
from gotrace.sources.ptrace.calls import by_mark
from gotrace.sources.ptrace.channel import LIVE_BYTES, LOST, RECORDING, ROOT_GONE, TERMINAL_WRITES, Channel
from gotrace.sources.ptrace.connecting import Connecting, asks_for_error
from gotrace.sources.ptrace.executions import executed, path_argument, refused
from gotrace.sources.ptrace.frames import frames_of
from gotrace.sources.ptrace.processes import (
    Process,
    Processes,
    has_ended,
    is_process,
    leader_of,
    parent_of,
    writes_to_terminal,
)
from gotrace.sources.ptrace.stacks import Stacks
from gotrace.sources.ptrace.stops import OwnStops, Stop, Stops, What

if TYPE_CHECKING:
    from gotrace.sources.ptrace.clocks import Clocks
    from gotrace.sources.ptrace.guardian import Guardian
    from gotrace.sources.ptrace.running import Running

_OUTPUT_LIMIT: Final = 64 << 10
"""Bytes of stderr that are kept of a process."""
_PATIENCE_NS: Final = 20_000_000
_NAP_S: Final = 0.0002
_EARLY_NS: Final = 1_000_000_000
_SPARE_BYTES: Final = LIVE_BYTES // 2
"""Of the ring that execs need: stacks are large, and calls do without."""


class Tracer:
    """Turns stops into records, and keeps tracees going."""

    def __init__(
        self,
        channel: Channel,
        stops: Stops,
        *,
        terminal: bool,
        unprivileged: bool,
        control: OwnStops | None = None,
        reader_gone: Callable[[], bool] = lambda: False,
        guardian: Guardian | None = None,
    ) -> None:
        """`terminal`: writes to one are counted; `unprivileged`: privileges of programs may get lost by our tracing.

        `control` is for what a run is followed by beyond a build; None: it is a build.
        `reader_gone` is asked where nobody has taken what is there: then nothing more is recorded. `guardian`: is told
        of breakpoints, because the processes must live on without us.
        """
        self._reader_gone = reader_gone
        self._channel, self._words = channel, channel.words
        self._stops = stops
        self._terminal, self._unprivileged = terminal, unprivileged
        self._processes = Processes()
        self._root = 0
        self._paths: dict[int, bytes] = {}
        """What a thread is about to execute."""
        self._held: dict[int, tuple[Stop, int]] = {}
        """Threads that stopped before their parent said that they were born, and until when they wait for that."""
        self._adopted: set[int] = set()
        """Those that waited in vain; their parent may say it yet."""
        self._gone: dict[int, tuple[int, int]] = {}
        """Those that were gone before that, with their wait status and when."""
        self._last_gone = 0
        self._connecting = Connecting()
        self._stacks = Stacks()
        self._running: Running | None = None
        self._clocks: Clocks | None = None
        if control is not None:
            from gotrace.sources.ptrace.clocks import Clocks  # a build does without both
            from gotrace.sources.ptrace.running import Running

            self._clocks = Clocks(self._tell, self._lose)

            self._running = Running(control, tell=self._tell, count=self._count, act=self.serve, guardian=guardian)
        self._act = {
            What.GONE: self._on_gone,
            What.HALTED: self._on_halted,
            What.BORN: self._on_born,
            What.EXECUTING: self._on_executing,
            What.EXECUTED: self._on_executed,
            What.REFUSED: self._on_refused,
            What.WRITING: self._on_writing,
            What.WROTE: self._on_wrote,
            What.FAILED: self._on_failed,
            What.SIGNALLED: self._on_signalled,
            What.CLOCKED: self._on_clocked,
        }

    def follow(self, root: int) -> None:
        """Serve the tree below `root`, which is seized, until it is empty."""
        self._root = self._last_gone = root
        self._processes.add(root)
        stops = self._stops
        while True:
            try:
                stop = self._next_while_some_are_held() if self._held else stops.next(wait=True)
            except ChildProcessError:
                return
            if stop is not None:
                self.serve(stop)

    def join(self, family: Mapping[int, Iterable[int]]) -> None:
        """Take up processes that run and are seized, each with its threads, the one that was asked for first."""
        self._root = self._last_gone = next(iter(family))
        for pid, threads in family.items():
            process = self._processes.add(pid)
            for tid in threads:
                self._processes.add_thread(tid, process)
            if self._running is not None:
                self._running.attached(process)

    def follow_until(self, bell: int) -> None:
        """Serve them until our own child `bell` ends."""
        while True:
            stop = self._next_while_some_are_held() if self._held else self._stops.next(wait=True)
            if stop is not None and stop.tid == bell:
                return
            if stop is not None:
                self.serve(stop)

    def processes(self) -> set[int]:
        """All that are there, by pid."""
        return self._processes.pids()

    def take_breakpoints_out(self) -> None:
        """Of all processes; whoever is about to meet one yet has to be served. What was only counted is told."""
        if self._running is not None:
            self._running.leave()
        if self._clocks is not None:
            self._clocks.tell_all()

    def serve(self, stop: Stop) -> None:
        """Do what one stop asks for."""
        self._act[What(stop.what)](stop)

    def _next_while_some_are_held(self) -> Stop | None:
        """Their parents' stops come next. But a parent may be killed before its own: then nobody waits for long.

        Not even where others stop all the time; and wait(2) may tell of these first, for ever.
        """
        _, until = next(iter(self._held.values()))
        while time.monotonic_ns() < until:
            stop = self._stops.next(wait=False)
            if stop is not None:
                return stop
            time.sleep(_NAP_S)
        now = time.monotonic_ns()
        for tid in [tid for tid, (_, until) in self._held.items() if until <= now]:
            thread = not is_process(tid)
            parent = leader_of(tid) if thread else parent_of(tid)
            if parent not in self._processes:  # somebody took it over from one who is gone
                parent = self._last_gone
            self._adopted.add(tid)
            self._adopt(parent, tid, thread=thread)
        return None

    def _on_born(self, stop: Stop) -> None:
        child = stop.message
        if child in self._adopted:
            self._adopted.remove(child)
            return  # we have found out by ourselves
        status, when = self._gone.pop(child, (0, None))
        if when is None or (time.monotonic_ns() - when > _EARLY_NS and not has_ended(child)):  # another had that id
            thread = stop.status == PTRACE_EVENT_CLONE and not is_process(child)
            self._adopt(stop.tid, child, thread=thread)
        elif stop.status != PTRACE_EVENT_CLONE:  # that is a thread's, as good as always
            self._adopt(stop.tid, child, thread=False)
            self._on_gone(Stop(What.GONE, child, status))

    def _adopt(self, parent_tid: int, child: int, *, thread: bool) -> None:
        parent = self._processes.of(parent_tid)
        if thread:
            self._processes.add_thread(child, parent)
        else:
            process = self._processes.add(child)
            if self._running is not None:
                self._running.born(parent, parent_tid, process)
            self._tell(records.FORK, records.fork(time.monotonic_ns(), parent.who(parent_tid), child))
        self._release(child)

    def _release(self, tid: int) -> None:
        held, _ = self._held.pop(tid, (None, 0))
        if held is not None:
            self._go_on(held)

    def _on_halted(self, stop: Stop) -> None:
        if stop.tid in self._processes:
            self._go_on(stop)
        else:
            self._held[stop.tid] = stop, time.monotonic_ns() + _PATIENCE_NS

    def _go_on(self, stop: Stop) -> None:
        if stop.status in abi.STOP_SIGNALS:
            self._stops.listen(stop.tid)
        else:
            self._stops.resume(stop.tid)

    def _on_gone(self, stop: Stop) -> None:
        tid = stop.tid
        self._paths.pop(tid, None)
        self._held.pop(tid, None)
        if tid not in self._processes:
            self._gone[tid] = stop.status, time.monotonic_ns()
            return
        if self._running is not None:
            self._running.thread_gone(tid)
        process = self._processes.remove(tid)
        if self._clocks is not None and tid == self._root:
            self._clocks.tell_all()  # nobody waits for those that go on
        if process is not None:
            self._last_gone = tid
            if self._running is not None:
                self._running.gone(process)
            if self._clocks is not None:
                self._clocks.tell(process.pid)
            self._tell(records.EXIT, records.exited(time.monotonic_ns(), process.who(tid), stop.status))
        if tid == self._root:
            self._words[ROOT_GONE] = 1

    def _on_executing(self, stop: Stop) -> None:
        path = self._processes.of(stop.tid).memory.string(stop.args[path_argument(stop)])
        self._paths[stop.tid] = path or b""
        self._stops.until_return(stop.tid)

    def _on_executed(self, stop: Stop) -> None:
        tid, former = stop.tid, stop.message or stop.tid
        path = self._paths.pop(former, b"")
        process = self._processes.of(tid)
        if former != tid:
            self._processes.remove(former)  # it goes on under the leader's id, and its own vanishes without a word
        process.forget_memory()
        if self._clocks is not None:
            self._clocks.tell(process.pid)
        if self._words[RECORDING]:
            values = self._stops.registers(process.pid)
            self._tell(records.EXEC, executed(process, values, path, unprivileged=self._unprivileged))
        if self._running is not None:
            self._running.executed(process, former, watch=bool(self._words[RECORDING]))
        self._stops.resume(tid)

    def _on_refused(self, stop: Stop) -> None:
        path = self._paths.pop(stop.tid, b"")
        process = self._processes.of(stop.tid)
        now, values = time.monotonic_ns(), self._stops.registers(stop.tid) if self._running is not None else ()
        self._tell(records.EXEC, refused(process, stop, path, now, frames_of(process.memory, values)))
        self._tell_stack(process, stop, values, now)

    def _on_writing(self, stop: Stop) -> None:
        if asks_for_error(stop):
            waits = self._connecting.waits(self._processes.of(stop.tid).pid, stop)
            (self._stops.until_return if waits else self._stops.resume)(stop.tid)
            return
        descriptor = stop.args[0]
        if self._terminal and writes_to_terminal(stop.tid, descriptor):
            self._words[TERMINAL_WRITES] += 1
        if descriptor == 2 and self._processes.of(stop.tid).output_bytes < _OUTPUT_LIMIT:
            self._stops.until_return(stop.tid)
        else:
            self._stops.resume(stop.tid)

    def _on_wrote(self, stop: Stop) -> None:
        process, call = self._processes.of(stop.tid), by_mark()[stop.mark]
        if asks_for_error(stop):
            stack = frames_of(process.memory, self._stops.registers(stop.tid))
            failed = self._connecting.failed(process.pid, stop, process.memory, stack)
            if failed is not None:
                self._tell_failure(process, failed, records.IN_PROGRESS)
            else:
                self._stops.resume(stop.tid)
            return
        written, (_, buffer, count, *_) = stop.result, stop.args
        room = _OUTPUT_LIMIT - process.output_bytes
        if call.name == "writev":
            text = process.memory.pieces(buffer, count, 4 if call.abi else 8, min(written, room))
        else:
            text = process.memory.read(buffer, min(written, room))
        if self._running is not None and not process.output_bytes:
            self._running.wrote(process, stop.tid)
        self._stops.resume(stop.tid)
        if text:
            process.output_bytes += len(text)
            cut = written > room
            self._tell(records.OUTPUT, records.output(time.monotonic_ns(), process.who(stop.tid), text, truncated=cut))

    def _on_failed(self, stop: Stop) -> None:
        process = self._processes.of(stop.tid)
        if not self._connecting.began(process.pid, stop):
            self._tell_failure(process, stop)
        elif stop.held:
            self._stops.resume(stop.tid)

    def _tell_failure(self, process: Process, stop: Stop, flags: int = 0) -> None:
        """Tell a failing call, and of a thread that is held also its stack; then it goes on."""
        now = time.monotonic_ns()
        if stop.held:
            self._tell_stack(process, stop, self._stops.registers(stop.tid), now)
        if not self._channel.bulk.put(records.failure(now, process.who(stop.tid), stop, flags)):
            self._lose(records.FAILURE)

    def _tell_stack(self, process: Process, stop: Stop, values: Sequence[int], now_ns: int) -> None:
        """Of a thread that is held, and goes on then. Where the ring has no room, its frame pointers have to do."""
        moment = self._stacks.moment(process, stop, values, now_ns)
        self._stops.resume(stop.tid)
        if moment is not None and self._words[RECORDING]:
            self._channel.live.put(moment, spare=_SPARE_BYTES)

    def _on_signalled(self, stop: Stop) -> None:
        if self._running is not None:
            self._running.signalled(self._processes.of(stop.tid), stop)

    def _on_clocked(self, stop: Stop) -> None:
        if self._clocks is not None:
            self._clocks.read(self._processes.of(stop.tid), stop)

    def _count(self, word: int) -> None:
        self._words[word] += 1

    def _tell(self, kind: int, record: bytes) -> None:
        if self._words[RECORDING] and not self._channel.live.put(record):
            self._lose(kind)

    def _lose(self, kind: int) -> None:
        if self._reader_gone():
            self._words[RECORDING] = 0  # from now on stops cost the command as little as they can
        else:
            self._words[LOST + kind] += 1
