"""What a process is that runs already, told by the events that would have told it: its program, and the code in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gotrace.capture import procstat
from gotrace.events.model import Event, Exec, Fork, Library
from gotrace.events.text import printable
from gotrace.sources.mounts import mount_namespace
from gotrace.sources.ptrace.mappings import mappings_of

_DELETED = b" (deleted)"


def events_of(pids: Sequence[int], when_ns: int) -> Iterator[Event]:
    """For each process that lives and may be looked into: whose child it is, its program, its executable mappings.

    `pids` is a family, parents before their children. All events are of the moment `when_ns`.
    """
    known: set[int] = set()
    for pid in pids:
        parent = procstat.parent(pid)
        if parent in known:
            yield Fork(ts_ns=when_ns, pid=parent, tid=parent, child_pid=pid)
        known.add(pid)
        with suppress(OSError):
            yield program_of(pid, when_ns)
            yield from _libraries(pid, when_ns)


def program_of(pid: int, when_ns: int = 0) -> Exec:
    """The program that it runs, with arguments, environment and folder as they are now: it may have changed them.

    Raises:
        OSError: it is gone, or not ours to look into.
    """
    root = os.fsencode(os.readlink(f"/proc/{pid}/root")).removesuffix(b"/")  # noqa: PTH115
    mounts = mount_namespace(pid)
    return Exec(
        ts_ns=when_ns,
        pid=pid,
        tid=pid,
        ns_pid=_inner_pid(pid),
        path=printable(_below(root, _link(pid, "exe"))),
        argv=tuple(map(printable, _words(_read(pid, "cmdline")))),
        env=_environment(_read(pid, "environ")),
        cwd=printable(_below(root, _link(pid, "cwd"))),
        root=printable(root),
        mount_namespace=0 if mounts == mount_namespace() else mounts,
    )


def _libraries(pid: int, when_ns: int) -> Iterator[Library]:
    mappings = mappings_of(pid)
    for one in mappings.all if mappings is not None else ():
        yield Library(
            ts_ns=when_ns,
            pid=pid,
            tid=pid,
            path=printable(one.path),
            base=one.base,
            size=one.size,
            offset=one.offset,
            device=one.device,
            inode=one.inode,
        )


def _link(pid: int, name: str) -> bytes:
    return os.fsencode(os.readlink(f"/proc/{pid}/{name}")).removesuffix(_DELETED)  # noqa: PTH115  it leads elsewhere


def _below(root: bytes, path: bytes) -> bytes:
    """A path as the process itself would name it."""
    return (path[len(root) :] or b"/") if root and (path == root or path.startswith(root + b"/")) else path


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _words(block: bytes) -> list[bytes]:
    return block.removesuffix(b"\0").split(b"\0") if block else []


def _environment(block: bytes) -> dict[str, str]:
    variables = (word.partition(b"=") for word in _words(block) if b"=" in word)
    return {printable(name): printable(value) for name, _, value in variables}


def _inner_pid(pid: int) -> int | None:
    """Its pid in its innermost PID namespace where that is another number (NSpid of proc(5))."""
    _, _, rest = _read(pid, "status").partition(b"\nNSpid:")
    numbers = rest.partition(b"\n")[0].split()
    return int(numbers[-1]) if numbers and int(numbers[-1]) != pid else None
