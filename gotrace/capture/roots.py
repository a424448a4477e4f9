"""The other roots that build tools ran in: a chroot(2), a container. Paths there lead to other files than ours.

What happened there is asked about when it is over, and by then a mount namespace is gone with its last process. So an
open descriptor keeps it until gotrace has looked: see `Namespaces`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from gotrace.events.model import Event, Exec, Exit
from gotrace.events.text import to_bytes
from gotrace.events.tools import is_tool, role_of
from gotrace.sources.mounts import mount_namespace

_NEW_MOUNTS: Final = 0x00020000
_NEW_USERS: Final = 0x10000000
_MOST: Final = 16
_MOST_WATCHED: Final = 64
_OF_ELSEWHERE: Final = ("fuse", "nfs", "cifs", "smb", "9p", "btrfs", "bcachefs", "zfs")
"""File systems on servers, and on devices though their device number (major 0) does not say so."""

_libc = ctypes.CDLL(None, use_errno=True)


class Root(NamedTuple):
    """Where a program's paths begin; see `gotrace.events.model.Exec`."""

    mount_namespace: int = 0
    folder: str = ""

    @property
    def is_ours(self) -> bool:
        """Paths are files that gotrace knows by the same name."""
        return self == OURS

    @property
    def kind(self) -> str:
        """What it is, in a few words."""
        if self.folder:
            inside = " of another mount namespace" if self.mount_namespace else ""
            return f"another root folder{inside} ({self.folder})"
        return "another mount namespace"


OURS: Final = Root()


def root_of(event: Exec) -> Root:
    """Where the paths of this program begin."""
    return Root(event.mount_namespace, event.root)


@dataclass(slots=True)
class _Kept:
    mounts: int
    users: int | None
    """Its user namespace where that is another than ours: who entered it may enter the mounts."""


class Namespaces:
    """The other mount namespaces that build tools ran in (with `of_all` any program), kept until `close`.

    One that has a file system mounted that lies on a device or a server, and that we have not, is let go: a script may
    rely on the end of its container to unmount it for good.
    """

    def __init__(self, *, of_all: bool = False) -> None:
        self._of_all = of_all
        self._ours = mount_namespace("self")
        self._kept: dict[int, _Kept] = {}
        self._refused: dict[int, str] = {}
        self._watched: dict[int, int] = {}
        """Processes that may make a namespace before they start a program in it, and the one that each was in last."""
        self._early: set[int] = set()
        """Namespaces that were kept before a program ran in them: something may have been mounted there later."""

    def see(self, events: Iterable[Event]) -> None:
        """Keep the namespaces of those that have just started."""
        for event in events:
            if isinstance(event, Exit):
                self._watched.pop(event.pid, None)
            if not isinstance(event, Exec) or event.error:
                continue
            if self._of_all and len(self._watched) < _MOST_WATCHED:
                self._watched.setdefault(event.pid, 0)
            number = event.mount_namespace
            if number in self._early:
                self._early.discard(number)
                self._let_go_if_missed(number, event.pid)
            if not number:
                continue
            if number in self._kept or number in self._refused:
                continue
            if self._of_all or is_tool(role_of(event.path, event.argv)):
                self._keep(number, event.pid)

    def look(self) -> None:
        """Keep the namespaces that processes have made meanwhile: what is started in one may be gone at once."""
        for pid, last in list(self._watched.items()):
            number = mount_namespace(pid)
            if number in (0, last):
                continue
            self._watched[pid] = number
            if number != self._ours and number not in self._kept and number not in self._refused:
                self._keep(number, pid)
                self._early.add(number)

    def enter(self, root: Root) -> None:
        """Have that root and no other from now on; for a process of its own that has one thread.

        Raises:
            OSError: it is gone, or it is not ours to enter.
        """
        kept = self._kept.get(root.mount_namespace)
        if root.mount_namespace and kept is None:
            raise OSError(0, self._refused.get(root.mount_namespace, "it was gone before gotrace could look"))
        if kept is not None:
            _enter(kept)
        folder = to_bytes(root.folder) or b"/"
        try:
            os.chroot(folder)
        except PermissionError:
            # Whoever is root in a user namespace alone may do what took root's rights, where such are allowed.
            _checked(_libc.unshare(_NEW_USERS))
            os.chroot(folder)
        os.chdir("/")

    def close(self) -> None:
        """Let all of them go."""
        for kept in self._kept.values():
            os.close(kept.mounts)
            if kept.users is not None:
                os.close(kept.users)
        self._kept.clear()

    def _let_go_if_missed(self, number: int, pid: int) -> None:
        """What was mounted since it was kept may be somebody's."""
        kept = self._kept.get(number)
        with suppress(OSError):
            if kept is not None and mount_namespace(pid) == number and not is_free(_mounts_of(pid)):
                del self._kept[number]
                os.close(kept.mounts)
                if kept.users is not None:
                    os.close(kept.users)
                self._refused[number] = "it has a file system of its own, and was not kept"

    def _keep(self, number: int, pid: int) -> None:
        if len(self._kept) == _MOST:
            self._refused[number] = f"gotrace keeps no more than {_MOST}"
            return
        with suppress(OSError):  # a process that is gone by now says nothing; the next one in its namespace may
            mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.fstat(mounts).st_ino != number:  # another process with that id
                    return
                if not is_free(_mounts_of(pid)):
                    self._refused[number] = "it has a file system of its own, and was not kept"
                    return
                self._kept[number] = _Kept(os.dup(mounts), _other_users(pid))
            finally:
                os.close(mounts)


def _mounts_of(pid: int) -> str:
    return Path(f"/proc/{pid}/mountinfo").read_text(errors="replace")


def is_free(mounts: str) -> bool:
    """Nobody could miss the end of these mounts: ours have the same devices. Lines as in proc(5), mountinfo."""
    ours = {line.split()[2] for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()}
    for line in mounts.splitlines():
        device, kind = line.split()[2], line.partition(" - ")[2].partition(" ")[0]
        if device not in ours and (not device.startswith("0:") or kind.startswith(_OF_ELSEWHERE)):
            return False
    return True


def _other_users(pid: int) -> int | None:
    with suppress(OSError):
        if not Path(f"/proc/{pid}/ns/user").samefile("/proc/self/ns/user"):
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    return None


def _enter(kept: _Kept) -> None:
    if _libc.setns(kept.mounts, _NEW_MOUNTS) == 0:
        return
    refusal = ctypes.get_errno()
    if kept.users is None or _libc.setns(kept.users, _NEW_USERS) != 0:
        raise OSError(refusal, os.strerror(refusal))
    _checked(_libc.setns(kept.mounts, _NEW_MOUNTS))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
