"""The eBPF source as the capture layer sees it: an unprivileged reader of buffers that a collector filled."""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.events.facets import Facet
from gotrace.events.model import Event, Lost
from gotrace.host.kernel import bcc_location, bcc_remedy, locked_down, may_load, try_ring_buffer
from gotrace.sources.base import Batch, Lack, Target
from gotrace.sources.ebpf import btf, cache, launch, unit
from gotrace.sources.ebpf.bursts import Bursts
from gotrace.sources.ebpf.counters import Counters
from gotrace.sources.ebpf.messages import Attach, Ready, Refused, Stop, Stopped, receive, send
from gotrace.sources.ebpf.records import RecordDecoder
from gotrace.sources.ebpf.ring import Ring
from gotrace.sources.mounts import mount_namespace

_REGISTRATION: Final = 0x676F7472  # syscall_errors.c
_STOP_SECONDS: Final = 5.0
_COLD_START_SECONDS: Final = 60.0

OBSERVES: Final = frozenset(
    {Facet.EXECS, Facet.FAILED_EXECS, Facet.FAILED_PATHS, Facet.ALL_FAILURES, Facet.RESOURCES, Facet.STDERR_TEXT}
    | {Facet.FROM_START}
)


_COUNTED: Final = {"bursts": ("burst", "folded"), "clock_reads": ("clock_reads", "calls")}
"""Tables of what a followed run only counts: the structure of their entries, and the member that counts."""
_OF_RUN: Final[Mapping[str, tuple[Facet | None, str]]] = {
    "on_exec_mappings": (Facet.LIBRARIES, "the program, its loader and the vDSO are not among the libraries seen"),
    "on_library": (Facet.LIBRARIES, "libraries are not seen"),
    "on_failure_record": (Facet.ALL_FAILURES, "failing calls are only counted, as lost"),
    "on_signal": (Facet.SIGNALS, "signals are not seen"),
    "on_goroutine": (None, "of signals in C code called by Go, the callers in Go are not seen"),
    "on_stack_of_call": (None, "of failing calls in C code called by Go, the callers in Go may not be seen"),
    unit.DL_PROGRAM: (Facet.DL_CALLS, "dlopen and dlsym are not seen"),
}
"""What each program of a followed run sees, and what is to be said without it."""


class EbpfSource:
    """Follows a whole process tree by raw tracepoints: forks, execs, exits, every failing call, stderr."""

    name = "ebpf"

    def __init__(self) -> None:
        self._given = launch.handed_over()

    def missing(self, *, sudo: bool = False) -> list[Lack]:
        """What this host lacks. Features are tried when a capture attaches; here is what can be told before."""
        lacks = []
        if platform.machine() != "x86_64":
            lacks.append(
                Lack(f"this machine is {platform.machine()}", "capture on x86-64; `gotrace report` works here")
            )
        if not os.access(btf.VMLINUX, os.R_OK):
            lacks.append(Lack(f"no {btf.VMLINUX}", "use a kernel built with CONFIG_DEBUG_INFO_BTF=y"))
        if locked_down():
            lacks.append(Lack("the kernel is locked down (confidentiality)", "boot with lockdown=integrity or none"))
        if (rights := _lacking_rights(sudo=sudo)) is not None:
            lacks.append(rights)
        if bcc_location() is None and cache.load(unit.key()) is None:
            lacks.append(Lack("BCC is not installed", bcc_remedy()))
        return lacks

    def open(self, target: Target, *, sudo: bool = False) -> EbpfCapture:
        """A capture of `target`; its privileged part starts when it is entered."""
        return EbpfCapture(target, sudo=sudo and not may_load(), given=self._given)


def _lacking_rights(*, sudo: bool) -> Lack | None:
    """What keeps the kernel from loading programs for us; None where nothing does, or where sudo(8) will see to it."""
    in_container = "in a container: --cap-add BPF --cap-add PERFMON, and a seccomp profile that allows bpf(2)"
    if may_load():
        # Tried, for root of a user namespace has the capabilities in name only, and seccomp(2) may forbid the call.
        problem = try_ring_buffer()
        if problem is None:
            return None
        return Lack(
            f"the kernel refuses it ({os.strerror(problem)})",
            f"{in_container}; else root of the machine",
            privilege=True,
        )
    if os.geteuid() == 0:
        return Lack("root without CAP_BPF and CAP_PERFMON", in_container, privilege=True)
    if sudo:
        return None
    remedy = "add --sudo (only a small collector runs as root), or run as root"
    return Lack("no CAP_BPF and CAP_PERFMON", remedy, privilege=True)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CaptureError(f"the collector does not answer: {error}", "try again; run `gotrace doctor`") from error


class EbpfCapture:
    """One running capture; see `gotrace.sources.base.Capture`."""

    source = "ebpf"

    def __init__(self, target: Target, *, sudo: bool, given: launch.Collector | None) -> None:
        self._target = target
        self._sudo = sudo
        self._given = given
        of_run = {Facet.CLOCK_READS, *(facet for facet, _ in _OF_RUN.values() if facet)}
        self.observes = OBSERVES | (of_run if target.running else set())
        self.observes -= {Facet.FROM_START} if target.pid else set()
        self.degraded: tuple[str, ...] = ()
        self.followed: tuple[int, ...] = ()
        self.notes: tuple[str, ...] = ()
        """After `stop`: what the user should know besides; that programs were stopped for a moment, for instance."""
        self.decoder_info: Mapping[str, Any] = {}
        self._collector: launch.Collector | None = None
        self._connection: socket.socket | None = None
        self._rings: dict[str, Ring] = {}
        self._counters: Counters | None = None
        self._bursts: list[Bursts] = []
        self._last_records = b""
        """What was only counted, once the capture has stopped."""
        self._decoder: RecordDecoder | None = None
        self._collector_died_ns = 0
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before any fork

    def __enter__(self) -> Self:
        self._collector = self._given or (launch.through_sudo() if self._sudo else launch.forked())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._collector is not None:
            self._collector.close()
        for ring in self._rings.values():
            ring.close()
        if self._counters is not None:
            self._counters.close()
        for table in self._bursts:
            table.close()

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait until the programs are attached; see the protocol."""
        if self._collector is None:
            raise CaptureError("the capture was not entered")
        connection = self._connection = self._collector.connected()
        connection.settimeout(_COLD_START_SECONDS)
        target = self._target
        program = str(Path(target.program).absolute()) if target.program else ""
        with _answering():
            send(connection, Attach(target.cookie, target.running, program, target.stops, target.pid))
        if meanwhile is not None:
            meanwhile()
        with _answering():
            answer, descriptors = receive(connection)
        if isinstance(answer, Refused):
            kind = NotPermittedError if answer.permission else CaptureError
            raise kind(answer.message, answer.remedy)
        if not isinstance(answer, Ready):
            raise CaptureError("the collector ended before it was ready", "run `gotrace doctor`")
        maps = dict(zip((name for name, _ in answer.maps), descriptors, strict=True))
        sizes = dict(answer.maps)
        self._rings = {name: Ring(maps[name], sizes[name]) for name in ("live", "stacks", "bulk") if name in maps}
        self._counters = Counters(maps["counters"], answer.constants)
        for name, (structure, counter) in _COUNTED.items():
            if name in maps:
                self._bursts.append(Bursts(maps[name], sizes[name], answer.layouts[structure], counter))
        for descriptor in descriptors:
            os.close(descriptor)
        self.decoder_info = {
            "source": self.source,
            "layouts": msgspec.to_builtins(answer.layouts),
            "constants": answer.constants,
            "mount_namespace": mount_namespace(),
        }
        self._decoder = RecordDecoder(self.decoder_info, _of_process)
        self.followed = tuple(answer.followed)
        for name, why in answer.missing.items():
            facet, what = _OF_RUN[name]
            self.observes -= {facet} if facet else set()
            self.degraded += (f"{what}: {why}",)

    def child_hook(self) -> None:
        """The failing prctl(2) by which the launched child presents itself (syscall_errors.c, register_caller)."""
        self._prctl(_REGISTRATION, ctypes.c_ulong(self._target.cookie), 0, 0, 0)

    def batches(self) -> Iterator[Batch]:
        """All raw records that are there now."""
        for name, ring in self._rings.items():
            if data := ring.drain():
                yield Batch(name != "bulk", data)
        if self._last_records:
            yield Batch(False, self._last_records)
            self._last_records = b""

    def decode(self, batch: Batch) -> list[Event]:
        """Events of one batch."""
        if self._decoder is None:
            raise CaptureError("nothing can be decoded before the capture is attached")
        events = self._decoder.decode(batch.data)
        if self._collector_died_ns:
            self._let_go_on()
        return events

    def _let_go_on(self) -> None:
        """The collector would have let these programs go on; it is gone. (SIGCONT does nothing to what runs.)"""
        if self._decoder is not None:
            for pid in self._decoder.take_stopped():
                with suppress(OSError):
                    os.kill(pid, signal.SIGCONT)

    def gone(self) -> bool:
        """The collector is."""
        if self._connection is not None and not self._collector_died_ns:
            poll = select.poll()
            poll.register(self._connection, select.POLLRDHUP | select.POLLHUP)
            if poll.poll(0):
                self._collector_died_ns = time.monotonic_ns()
                self._let_go_on()
        return self._collector_died_ns != 0

    def terminal_writes(self) -> int:
        """Writes of followed processes to a terminal until now."""
        return self._counters.value("COUNTER_TERMINAL_WRITES") if self._counters else 0

    def stop(self) -> tuple[list[Lost], dict[str, int]]:
        """Detach; what was lost and the counted noise. The rings can still be drained afterwards."""
        if self._counters is None or self._connection is None:
            return [], {}
        self.gone()
        stopped = None
        try:
            self._connection.settimeout(_STOP_SECONDS)
            send(self._connection, Stop())
            stopped, _ = receive(self._connection)
        except OSError:
            self._collector_died_ns = self._collector_died_ns or time.monotonic_ns()
        now = time.monotonic_ns()
        self._last_records = b"".join(table.records() for table in self._bursts)
        lost = self._counters.lost(now)
        if isinstance(stopped, Stopped):
            self.notes = tuple(stopped.notes)
            lost += [
                Lost(ts_ns=now, pid=0, what="unknown", count=count, exact=False,
                     reason=f"the kernel skipped {name} (of any process on the machine)")
                for name, count in stopped.missed.items() if count
            ]  # fmt: skip
        else:
            since = self._collector_died_ns or now
            reason = "the collector ended before the command: from then on nothing was seen"
            lost.append(Lost(ts_ns=now, pid=0, what="unknown", count=1, since_ns=since, reason=reason, exact=False))
        if not self._counters.value("COUNTER_REGISTERED"):
            reason = "the command was never seen: its first system call did not reach the probes"
            lost.append(Lost(ts_ns=now, pid=0, what="unknown", count=1, reason=reason, exact=False))
        return lost, self._counters.noise()


def _of_process(pid: int, file: str) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return None
