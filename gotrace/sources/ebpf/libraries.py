"""The C libraries that the dl program is attached to: those of this system beforehand, others when a process maps one.

Runs in the collector. A process that maps a C library not seen before was stopped by the probe (mappings.c): it is
looked into, and the process goes on. Whatever happens, no process stays stopped.
"""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from gotrace.elf.interpreter import read_interpreter
from gotrace.sources.ebpf.uprobes import Uprobes, points_of

_FOLDERS: Final = ("/lib/x86_64-linux-gnu", "/lib64", "/lib", "/usr/lib64", "/usr/lib", "/usr/lib/x86_64-linux-gnu")
_NAMES: Final = ("libc.so.6", "libdl.so.2", "ld-musl-*.so.1", "libc.musl-*.so.1")
_MAPPED_NAMES: Final = (b"libc.", b"libc-", b"libdl", b"ld-mu")  # mappings.c, is_libc
_STOPPING_S: Final = 0.1
_MINOR_BITS: Final = 20  # include/linux/kdev_t.h


class Unseen(NamedTuple):
    """What the probe says of a process that maps a C library in which nothing is attached (running.h)."""

    ts_ns: int
    inode: int
    device: int
    pid: int
    stopped: int


class Libraries:
    """Attaches to C libraries, each once. `ready` tells the probe that a file (inode, device) is seen to."""

    def __init__(self, uprobes: Uprobes, constants: dict[str, int], ready: Callable[[int, int], None]) -> None:
        self._uprobes = uprobes
        self._constants = constants
        self._ready = ready
        self._known: set[tuple[int, int]] = set()
        self._seen: set[tuple[int, int]] = set()
        self._kept: list[int] = []
        self._stopped: set[int] = set()
        self._ever_stopped: set[int] = set()
        self._stopped_ns = 0
        self._late: set[int] = set()
        self._problems: list[str] = []

    def attach_known(self, program: str) -> None:
        """Attach to the C libraries of this system, and to that of the program which is to be run."""
        for path in (*_of_system(), *_of_program(program)):
            with suppress(OSError):
                self._attach(path)

    def attach_mapped(self, pid: int) -> None:
        """Attach to the C libraries that a process has mapped, and to the program itself: it may have a static one."""
        for found in _c_libraries_of(pid):
            self._seen.add((found.inode, found.device))
            self._attach_mapped(found)

    def _attach(self, path: str) -> None:
        """Look into one file, if we have not yet.

        Raises:
            OSError: it cannot be opened, or is no file.
        """
        # Behind a descriptor it cannot become another file between our look and the kernel's.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        status = os.fstat(file)
        identity = (status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode) or identity in self._known:
            os.close(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, f"{path}: no regular file")
            return
        # As long as it is open its number is no other file's.
        self._kept.append(file)
        self._known.add(identity)
        self._look_into(file, path)
        self._ready(status.st_ino, os.major(status.st_dev) << _MINOR_BITS | os.minor(status.st_dev))

    def _look_into(self, file: int, path: str) -> None:
        try:
            points = points_of(file, self._constants)
            if points.places:
                self._uprobes.attach(f"/proc/self/fd/{file}", points.places)
        except (OSError, ValueError) as error:
            self._problems.append(f"calls of dlopen and dlsym in {path} are not seen: {error}")
            return
        if points.without_return:
            names = ", ".join(points.without_return)
            self._problems.append(f"calls of {names} in {path} are not seen: where they return was not found")

    def serve(self, mapped: Sequence[Unseen]) -> None:
        """Look into the libraries that processes map, and let each process go on."""
        self._stopped |= {unseen.pid for unseen in mapped if unseen.stopped}
        for unseen in mapped:
            (self._ever_stopped if unseen.stopped else self._late).add(unseen.pid)
            try:
                if (unseen.inode, unseen.device) not in self._seen:
                    self._seen.add((unseen.inode, unseen.device))
                    self._attach_mapped(unseen)
                with suppress(OSError):  # the table is full: it will be asked again
                    self._ready(unseen.inode, unseen.device)
            finally:
                if unseen.stopped:
                    self._let_go_on(unseen.pid)
                    self._stopped_ns += time.monotonic_ns() - unseen.ts_ns

    def let_go_on(self, mapped: Sequence[Unseen]) -> None:
        """Only that: nothing is to be seen any more."""
        for pid in self._stopped | {unseen.pid for unseen in mapped if unseen.stopped}:
            self._let_go_on(pid)

    def _let_go_on(self, pid: int) -> None:
        _go_on(pid)
        self._stopped.discard(pid)

    def _attach_mapped(self, unseen: Unseen) -> None:
        why: OSError | None = None
        for path in _mapped_at(unseen):
            try:
                self._attach(path)
                return
            except OSError as error:
                why = error
        if why is not None:  # else the program has ended already
            self._problems.append(
                f"calls of dlopen and dlsym in the C library of process {unseen.pid} are not seen: {why}"
            )

    def notes(self) -> list[str]:
        """What the user should know: how often programs were stopped, and for how long; what could not be attached."""
        notes = list(self._problems)
        if number := len(self._ever_stopped):
            whom = "1 program was" if number == 1 else f"{number} programs were"
            took = max(1, round(self._stopped_ns / 1e6))
            notes.append(f"{whom} stopped for {took} ms to look into a C library not seen before")
        if number := len(self._late):
            whose = "1 program uses" if number == 1 else f"{number} programs use"
            notes.append(f"{whose} a C library not seen before, not stopped for it: first dl calls may be missing")
        return notes

    def close(self) -> None:
        """Let all go on that are stopped, and detach."""
        self.let_go_on([])
        self._uprobes.close()
        for file in self._kept:
            os.close(file)
        self._kept.clear()


def _of_system() -> Iterator[str]:
    for folder in _FOLDERS:
        for name in _NAMES:
            yield from map(str, Path(folder).glob(name))


def _of_program(program: str) -> Sequence[str]:
    """The program itself (it may have a static C library), its loader, and the C library that lies beside that."""
    if not Path(program).is_file():
        return ()
    found = [program]
    with suppress(OSError):
        shebang = _shebang(program)
        loader = read_interpreter(Path(shebang or program))
        if shebang:
            found.append(shebang)
        if loader:
            found += [loader, str(Path(os.path.realpath(loader)).parent / "libc.so.6")]
    return found


def _shebang(program: str) -> str | None:
    with Path(program).open("rb") as file:
        start = file.read(256)
    if not start.startswith(b"#!"):
        return None
    words = start[2:].split(b"\n", 1)[0].split()
    return os.fsdecode(words[0]) if words else None


def _c_libraries_of(pid: int) -> Iterator[Unseen]:
    found: dict[tuple[int, int], Unseen] = {}
    with suppress(OSError):
        program = Path(f"/proc/{pid}/exe").stat().st_ino
        for line in Path(f"/proc/{pid}/maps").read_bytes().splitlines():
            fields = line.split(None, 5)
            if len(fields) < 6 or b"x" not in fields[1]:
                continue
            inode, device = int(fields[4]), _device(fields[3])
            if inode == program or fields[5].rpartition(b"/")[2].startswith(_MAPPED_NAMES):
                found[inode, device] = Unseen(0, inode, device, pid, 0)
    yield from found.values()


def _mapped_at(unseen: Unseen) -> Iterator[str]:
    """Ways to open the library that a process has mapped, in whatever mount namespace: proc(5)."""
    with suppress(OSError):
        for line in Path(f"/proc/{unseen.pid}/maps").read_bytes().splitlines():
            fields = line.split(None, 5)
            if len(fields) < 6 or int(fields[4]) != unseen.inode or _device(fields[3]) != unseen.device:
                continue
            # This one cannot be another file, but only who may look at all of the machine is allowed to follow it.
            yield f"/proc/{unseen.pid}/map_files/{_range(fields[0])}"
            yield f"/proc/{unseen.pid}/root{os.fsdecode(fields[5])}"


def _device(text: bytes) -> int:
    major, minor = text.split(b":")
    return int(major, 16) << _MINOR_BITS | int(minor, 16)


def _range(text: bytes) -> str:
    """maps pads its addresses with zeros, map_files does not."""
    return "-".join(f"{int(one, 16):x}" for one in text.split(b"-"))


def _go_on(pid: int) -> None:
    """SIGCONT, once the SIGSTOP has arrived: the probe's signal may be a moment behind its record."""
    deadline = time.monotonic() + _STOPPING_S
    with suppress(OSError, IndexError):
        while time.monotonic() < deadline and _state(pid) not in "TtZX":
            time.sleep(0.001)
    with suppress(OSError):
        os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
