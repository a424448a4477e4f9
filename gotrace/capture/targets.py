"""Which running process is meant, and whether it can be attached to: each obstacle in its own words."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.capture import procstat
from gotrace.elf.buildinfo import build_info_of
from gotrace.errors import NotPermittedError, UsageError
from gotrace.events.text import printable
from gotrace.host.kernel import CAP_SYS_PTRACE, holds, yama_mode
from gotrace.host.security_modules import active

_KERNEL_THREAD: Final = 0x00200000  # PF_KTHREAD, include/linux/sched.h
_FLAGS: Final = 6  # behind the state letter: ppid pgrp session tty_nr tpgid flags (proc(5))
_SHORTEST_ID: Final = 4
_MOST_NAMED: Final = 6


def check(pid: int) -> None:
    """Refuse what nothing can attach to.

    Raises:
        UsageError: it is dead, a thread, a zombie, a kernel thread, or gotrace itself.
        NotPermittedError: it belongs to somebody else.
    """
    status = _status(pid)
    if not status:
        raise UsageError(f"there is no process {pid}", "find it by its name: gotrace attach --name NAME")
    leader = int(status.get("Tgid", pid))
    if leader != pid:
        raise UsageError(f"{pid} is a thread of process {leader}", f"gotrace attach {leader}")
    if pid == os.getpid():
        raise UsageError(f"process {pid} is gotrace itself", "name another process")
    if procstat.state(pid) in ("Z", "X", ""):
        raise UsageError(
            f"process {pid} ({_name(pid)}) has ended already: it is a zombie, which its parent"
            f" (process {status.get('PPid', '?')}) has not waited for",
            "attach to one that runs",
        )
    if _is_kernel_thread(pid):
        raise UsageError(f"process {pid} ({_name(pid)}) is a kernel thread, which runs no program", "name another one")
    try:
        os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115  it need not lead anywhere
    except PermissionError:
        raise _not_ours(pid, status) from None
    except OSError:
        raise UsageError(f"process {pid} ended just now", "") from None


def _not_ours(pid: int, status: dict[str, str]) -> NotPermittedError:
    """Why the kernel lets us not look into it (ptrace(2), "Ptrace access mode checking")."""
    who = f"process {pid} ({_name(pid)})"
    if os.geteuid() == 0:
        return _refused_to_root(who)
    owner = int(status.get("Uid", "0").split()[0])
    if owner != os.geteuid():
        message = f"{who} belongs to {_user(owner)}, not to {_user(os.geteuid())}"
    else:
        message = f"{who} has privileges of its own: only root may look into it"
    return NotPermittedError(message, f"sudo gotrace attach {pid}")


def _refused_to_root(who: str) -> NotPermittedError:
    """Root is let in for its capabilities, in its own user namespace, and where no security module objects."""
    if not holds(Path("/proc/self/status").read_text(), CAP_SYS_PTRACE):
        return NotPermittedError(
            f"{who} is refused to this root, which lacks CAP_SYS_PTRACE: so it is in a container, as a rule",
            "give the container SYS_PTRACE (--cap-add=SYS_PTRACE), or attach as root of the host",
        )
    named = [one for one in active() if one not in ("capability", "lockdown")]
    modules = f", such as {', '.join(named)} here" if named else ""
    return NotPermittedError(
        f"{who} is refused even to root, which has CAP_SYS_PTRACE: it is of another user namespace, or a security"
        f" module{modules}, keeps it apart",
        "attach from outside of the container or sandbox that gotrace runs in",
    )


def check_traceable(pid: int) -> None:
    """Refuse what ptrace(2) cannot attach to.

    Raises:
        UsageError: it has a tracer already.
        NotPermittedError: Yama forbids it.
    """
    tracer = int(_status(pid).get("TracerPid", "0"))
    if tracer:
        raise UsageError(
            f"process {pid} ({_name(pid)}) is traced by process {tracer} ({_name(tracer)}) already,"
            " and a process has one tracer at a time",
            f"end that one, or attach by eBPF: sudo gotrace attach --backend ebpf {pid}",
        )
    with suppress(OSError, ValueError):
        scope = int(yama_mode())
        if scope == 0 or (scope < 3 and holds(Path("/proc/self/status").read_text(), CAP_SYS_PTRACE)):
            return
        who = {1: "only a process's ancestors may trace it", 2: "only root may trace"}.get(scope, "nobody may trace")
        remedy = f"sudo gotrace attach{' --backend ebpf' if scope == 3 else ''} {pid}"
        raise NotPermittedError(f"Yama forbids it: {who} (kernel.yama.ptrace_scope is {scope})", remedy)


def note(pid: int) -> str:
    """A sentence on a program that is not Go's; empty for one that is. Nothing is wrong with attaching to it."""
    with suppress(OSError, ValueError):
        if build_info_of(Path(f"/proc/{pid}/exe")) is not None:
            return ""
    told = "is no Go program as far as its file tells: all is told of it but Go's part of stacks"
    return f"process {pid} ({_name(pid)}) {told}"


def named(name: str) -> int:
    """The process of that name: of its program's file, or as the kernel calls it.

    Raises:
        UsageError: there is none, or more than one that are no family.
    """
    return _one_of(_matching(lambda pid: name in _names(pid)), f"process called {name!r}", "gotrace attach")


def in_container(identity: str) -> int:
    """The first process of the container whose id begins so: Docker, Podman, containerd, CRI-O.

    Raises:
        UsageError: there is none, or the id is not one.
    """
    if len(identity) < _SHORTEST_ID or not re.fullmatch(r"[0-9a-f]+", identity):
        raise UsageError(
            f"--container {identity}: not the id of a container, nor its first {_SHORTEST_ID} digits",
            "see the ids: docker ps, podman ps, or crictl ps",
        )
    inside = re.compile(rf"(?:^|[/:-]){identity}[0-9a-f]*(?:\.scope)?(?:[/:]|$)", re.MULTILINE)
    return _one_of(
        _matching(lambda pid: inside.search(_text(pid, "cgroup")) is not None),
        f"process in a container whose id begins with {identity}",
        "gotrace attach",
    )


def _one_of(found: list[int], what: str, command: str) -> int:
    """The one whose descendants the others are."""
    if not found:
        raise UsageError(f"there is no {what}", "see which there are: ps -e")
    heads = [pid for pid in found if not any(other != pid and procstat.descends(pid, other) for other in found)]
    if len(heads) > 1:
        told = ", ".join(f"{pid} ({_command(pid)})" for pid in heads[:_MOST_NAMED])
        more = f" and {len(heads) - _MOST_NAMED} more" if len(heads) > _MOST_NAMED else ""
        raise UsageError(f"there is more than one {what}: {told}{more}", f"choose one: {command} {heads[0]}")
    return heads[0]


def _matching(wanted: Callable[[int], bool]) -> list[int]:
    ours = {os.getpid(), os.getppid()}
    return [pid for pid in _all_processes() if pid not in ours and wanted(pid)]


def _all_processes() -> Iterator[int]:
    return (int(folder.name) for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)))


def _names(pid: int) -> set[str]:
    if procstat.state(pid) in ("Z", "X", "") or _is_kernel_thread(pid):
        return set()
    names = {_text(pid, "comm").rstrip("\n")}
    with suppress(OSError):
        names.add(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)").rpartition("/")[2])  # noqa: PTH115
    first = _text(pid, "cmdline").partition("\0")[0]
    return {name for name in (*names, first.rpartition("/")[2]) if name}


def _command(pid: int) -> str:
    words = _text(pid, "cmdline").rstrip("\0").replace("\0", " ")
    return printable(os.fsencode(words[:60])) or _name(pid)


def _name(pid: int) -> str:
    return printable(os.fsencode(_text(pid, "comm").rstrip("\n"))) or "?"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _is_kernel_thread(pid: int) -> bool:
    fields = _text(pid, "stat").rpartition(")")[2].split()
    return len(fields) > _FLAGS and bool(int(fields[_FLAGS]) & _KERNEL_THREAD)


def _status(pid: int) -> dict[str, str]:
    lines = (line.partition(":") for line in _text(pid, "status").splitlines())
    return {name: value.strip() for name, _, value in lines}


def _text(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
