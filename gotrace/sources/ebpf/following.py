"""The collector's work while a program's run is followed: C libraries are attached to as programs map them."""

from __future__ import annotations

import resource
import select
import signal
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gotrace.host.kernel import holds
from gotrace.sources.ebpf import bpf, unit
from gotrace.sources.ebpf.attached import follow_family
from gotrace.sources.ebpf.compiled import Compiled, format_of
from gotrace.sources.ebpf.libraries import Libraries, Unseen
from gotrace.sources.ebpf.loader import LoadedProbes
from gotrace.sources.ebpf.messages import Attach
from gotrace.sources.ebpf.ring import Ring, payloads
from gotrace.sources.ebpf.uprobes import Uprobes

_CAP_KILL: Final = 5
_PATIENCE_S: Final = 30
_READY: Final = struct.pack("<I", 2)  # running.h, READY


class FollowedRun:
    """Follows until it is told to stop; leaving it lets stopped processes go on and detaches all uprobes."""

    def __init__(self, probes: LoadedProbes, compiled: Compiled, request: Attach) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each library stays open
        self._seen = probes.maps["libraries_seen"]
        self._file_id = format_of(compiled.layouts["file_id"])
        self._record = format_of(compiled.layouts["unseen_record"])
        self._unseen = probes.maps["unseen"]
        size = next(spec.entries for spec in compiled.maps if spec.name == "unseen")
        self._ring = Ring(self._unseen, size)
        self._libraries: Libraries | None = None
        try:
            uprobes = Uprobes(lambda way: probes.load(unit.DL_PROGRAM, uprobe=way))
        except bpf.BpfError as error:
            probes.missing[unit.DL_PROGRAM] = str(error.strerror)
            return
        self._libraries = Libraries(uprobes, compiled.constants, self._ready)
        self._libraries.attach_known(request.program)
        # Not before there is somebody who lets programs go on, and may do so whoever runs them.
        probes.configure(stops=request.stops and _may_signal_all())

    def _ready(self, inode: int, device: int) -> None:
        bpf.update_element(self._seen, self._file_id.pack(inode, device), _READY)

    def attach_to(self, request: Attach, uid: int, gid: int) -> list[int]:
        """Follow a process that runs, and its descendants, for that user; attach to the C libraries that they have.

        Raises:
            CaptureError: it is gone, or not that user's to look into.
        """
        followed = follow_family(request.pid, request.cookie, uid, gid)
        # Afterwards: what is mapped meanwhile is told by the probes.
        for pid in followed:
            if self._libraries is not None:
                self._libraries.attach_mapped(pid)
        return followed

    def serve_until(self, connection: socket.socket) -> None:
        """Look into what programs map, until there is something to read at the connection, or it ends."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._unseen, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            self._serve()
            if connection.fileno() in ready:
                return

    def _serve(self) -> None:
        if self._libraries is None:
            return
        # A file system may keep us waiting for ever, with programs stopped. If we are gone, gotrace lets them go on.
        signal.alarm(_PATIENCE_S)
        self._libraries.serve(self._drained())
        signal.alarm(0)

    def _drained(self) -> list[Unseen]:
        return [Unseen(*self._record.unpack_from(payload)) for payload in payloads(self._ring.drain())]

    def finish(self) -> list[str]:
        """Nothing more is to be seen: let all programs go on. What the user should know of what was done to them."""
        if self._libraries is None:
            return []
        self._libraries.let_go_on(self._drained())
        return self._libraries.notes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.finish()
        finally:
            if self._libraries is not None:
                self._libraries.close()
                self.finish()  # what ran on another processor as we detached
            self._ring.close()


def _may_signal_all() -> bool:
    """CAP_KILL: the probe stops whomever, but to continue a process of somebody else takes that."""
    return holds(Path("/proc/self/status").read_text(), _CAP_KILL)
