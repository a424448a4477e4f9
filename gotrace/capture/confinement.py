"""What processes may do and use: rights, labels, seccomp filters, limits; read again and again while they live.

Much of it is changed by programs themselves, right after they started, and it is gone with them (proc(5)). So the last
reading counts; of a process that was never read, what it inherited from gotrace.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Event, Exec, Exit, Fact, Fork, KnownEvent, SyscallError
from gotrace.events.text import printable
from gotrace.host.security_modules import label_files

_STATUS: Final = re.compile(
    rb"^(State|Uid|Gid|Groups|CapEff|CapBnd|NoNewPrivs|Seccomp|Seccomp_filters):\t(.*)$", re.MULTILINE
)
_LIMIT: Final = re.compile(
    rb"^Max (address space|open files|processes|stack size) +(\d+|unlimited) +(\d+|unlimited)", re.MULTILINE
)
_NAMES: Final = {
    b"address space": "as",
    b"open files": "nofile",
    b"processes": "nproc",
    b"stack size": "stack",
}
"""As /proc/PID/limits has them; by their short names as ulimit and setrlimit(2) have them."""
_NO_MORE_FILES: Final = errno_numbers("EMFILE", "ENFILE")
"""With these a process lives on, and its limit is what everybody wants to know."""
_YOUNG_NS: Final = 2_000_000_000
_SELDOM_NS: Final = 500_000_000
_MOST: Final = 32
"""Processes that are read; a command with more of them is a build or a shell script."""
_MOST_GROUPS: Final = 64
_LONGEST_LABEL: Final = 256
_FILE_CAPABILITIES: Final = 0b1111
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER of <linux/capability.h>."""


class Confinements:
    """Those of all processes of a command."""

    def __init__(self, *, filters_of_ours: int = 0) -> None:
        """`filters_of_ours`: how many seccomp filters each of them has from us, which refuse nothing."""
        self._ours = filters_of_ours
        self._born: dict[int, int] = {}
        self._read_ns: dict[int, int] = {}
        self._last: dict[int, dict[str, Any]] = {}
        self._labelled = bool(_label(os.getpid()))

    def see(self, events: Iterable[Event]) -> None:
        """Processes that began something, and those that are gone."""
        for event in events:
            if isinstance(event, Exec) and not event.error:
                self._born[event.pid] = event.ts_ns
            elif isinstance(event, Fork):
                self._born[event.child_pid] = event.ts_ns
            elif isinstance(event, Exit):
                self._born.pop(event.pid, None)

    def look(self, now_ns: int) -> None:
        """Read those that live: young ones each time, others twice a second."""
        for pid, born in list(self._born.items())[:_MOST]:
            if now_ns - born > _YOUNG_NS and now_ns - self._read_ns.get(pid, 0) < _SELDOM_NS:
                continue
            self._read_ns[pid] = now_ns
            with suppress(OSError):
                if read := _read(pid):
                    self._last[pid] = self._without_ours(read) | {"read_ns": now_ns}
                    if self._labelled and (label := _label(pid)):
                        self._last[pid]["label"] = label

    def _without_ours(self, read: dict[str, Any]) -> dict[str, Any]:
        if self._ours and read["seccomp"] == "filter":
            read["filters"] = max(0, read["filters"] - self._ours)
            read["seccomp"] = "filter" if read["filters"] else "off"
        return read

    def facts(self, events: Sequence[KnownEvent], now_ns: int) -> list[Fact]:
        """A `confinement` fact for each process that failed, or that met a limit of its open files."""
        failed = dict.fromkeys(event.pid for event in events if _concerns(event))
        if not failed:
            return []
        own = _read(os.getpid()) | ({} if (most := _most_tasks()) is None else {"pids_max": most})
        own |= {"label": label} if (label := _label(os.getpid())) else {}
        return [
            Fact(
                ts_ns=now_ns,
                pid=pid,
                name="confinement",
                data={**own, **self._last.get(pid, {}), "seen": pid in self._last, "pid": pid},
            )
            for pid in list(failed)[:_MOST]
        ]


def _concerns(event: KnownEvent) -> bool:
    if isinstance(event, SyscallError):
        return event.errno in _NO_MORE_FILES
    return isinstance(event, Exit) and bool(event.status or event.signal is not None)


def _read(pid: int) -> dict[str, Any]:
    """What /proc says of a process; empty where it is gone."""
    data: dict[str, Any] = {}
    with open(f"/proc/{pid}/status", "rb") as stream:  # noqa: PTH123  50 times a second
        status = dict(_STATUS.findall(stream.read()))
    if status.get(b"State", b"Z")[:1] in b"ZX":  # its filters and limits are gone already
        return data
    users, groups = status[b"Uid"].split(), status.get(b"Groups", b"").split()
    data["uid"], data["fsuid"], data["fsgid"] = int(users[0]), int(users[3]), int(status[b"Gid"].split()[3])
    if len(groups) <= _MOST_GROUPS:
        data["groups"] = [int(group) for group in groups]
    data["capabilities"] = status[b"CapEff"].strip().decode()
    if int(data["capabilities"], 16) & _FILE_CAPABILITIES and _has_users_of_its_own(pid):
        data["own_users"] = True
    data["no_new_privs"] = status.get(b"NoNewPrivs") == b"1"
    data["seccomp"] = {b"0": "off", b"1": "strict", b"2": "filter"}.get(status.get(b"Seccomp", b"0"), "off")
    data["filters"] = int(status.get(b"Seccomp_filters", b"0"))
    with open(f"/proc/{pid}/limits", "rb") as stream:  # noqa: PTH123
        for name, soft, hard in _LIMIT.findall(stream.read()):
            data.setdefault("limits", {})[_NAMES[name]] = [_number(soft), _number(hard)]
    return data


def _has_users_of_its_own(pid: int) -> bool:
    """Its user namespace is another than ours: its capabilities are good for files of that one's users only."""
    with suppress(OSError):
        return os.stat(f"/proc/{pid}/ns/user").st_ino != _our_users()  # noqa: PTH116
    return True


@cache
def _our_users() -> int:
    return os.stat("/proc/self/ns/user").st_ino  # noqa: PTH116


def _label(pid: int) -> str:
    """What SELinux, AppArmor or Smack call the confinement of a process, as recordings have it; empty without them."""
    for path in label_files(pid):
        with suppress(OSError), open(path, "rb") as stream:  # noqa: PTH123
            if text := stream.read(_LONGEST_LABEL).rstrip(b"\0\n"):
                return printable(text)
    return ""


def _number(text: bytes) -> int | None:
    """None is no limit."""
    return int(text) if text.isdigit() else None


def _most_tasks() -> int | None:
    """How many processes and threads our control group may have (pids.max of cgroups v2); None where any number."""
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/cgroup", encoding="utf-8") as stream:  # noqa: PTH123
            path = next(line.rstrip("\n").split(":", 2)[2] for line in stream if line.startswith("0::"))
        while True:
            with suppress(OSError, ValueError), open(f"/sys/fs/cgroup{path}/pids.max", encoding="ascii") as stream:  # noqa: PTH123
                return int(stream.read())
            if path in ("", "/"):
                break
            path = path.rpartition("/")[0]
    return None
