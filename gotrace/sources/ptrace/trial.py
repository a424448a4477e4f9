"""Finds out whether ptrace works here, by doing it to a child of ours: a few milliseconds, nothing is guessed."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from gotrace.events.text import printable
from gotrace.host.kernel import CAP_SYS_PTRACE, holds, yama_mode
from gotrace.sources.base import Lack
from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.filter import Filter
from gotrace.sources.ptrace.launch import KEEPER

_PTRACE_INTERRUPT, _PTRACE_CONT = 0x4207, 7
_EBPF: Final = "use eBPF (--sudo, or run gotrace as root)"
_STATUS: Final = Path("/proc/self/status")


class Trial(NamedTuple):
    """What failed and with which errno; 0 is success."""

    step: str
    problem: int


def attempt() -> Trial:
    """Seize a child, read a stop of it, and have it install the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    program = Filter(stdout=False)
    gate, opener = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the child must run no handler of ours
    child = os.fork()
    if child == 0:
        _child(gate, opener, program)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(gate)
    try:
        trial = _trace(libc, child)
    finally:
        os.close(opener)  # lets it go on
        status = _end_of(child)
    if trial.problem:
        return trial
    if status is None:
        return trial
    return Trial("seccomp", status if 0 <= status < 255 else errno.EPERM)


def _child(gate: int, opener: int, program: Filter) -> None:
    problem = 255
    try:
        os.close(opener)
        os.read(gate, 1)
        program.install()
        problem = 0
    except OSError as error:
        problem = error.errno or 255
    finally:
        os._exit(problem)


def _trace(libc: ctypes.CDLL, child: int) -> Trial:
    if libc.ptrace(abi.PTRACE_SEIZE, child, None, None):
        return Trial("seize", ctypes.get_errno())
    info = ctypes.create_string_buffer(abi.SYSCALL_INFO_BYTES)
    if libc.ptrace(_PTRACE_INTERRUPT, child, None, None):
        return Trial("interrupt", ctypes.get_errno())
    os.waitpid(child, 0)
    asked = libc.ptrace(abi.PTRACE_GET_SYSCALL_INFO, child, abi.SYSCALL_INFO_BYTES, ctypes.addressof(info))
    problem = ctypes.get_errno() if asked <= 0 else 0
    libc.ptrace(_PTRACE_CONT, child, None, None)
    return Trial("syscall info", problem)


def _end_of(child: int) -> int | None:
    """Its exit status, or minus the signal; None where SIGCHLD is ignored: then nobody is told."""
    with suppress(ChildProcessError):
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    return None


def lacks() -> list[Lack]:
    """What keeps ptrace from working here, with what to do about it."""
    scope = yama_mode()
    if scope == "3":
        return [Lack("Yama forbids all ptrace (kernel.yama.ptrace_scope=3)", f"reboot with ptrace_scope=1, or {_EBPF}")]
    if scope == "2" and not _may_trace_all():
        remedy = f"sudo sysctl kernel.yama.ptrace_scope=1, or {_EBPF}"
        what = "Yama lets only CAP_SYS_PTRACE use ptrace (kernel.yama.ptrace_scope=2)"
        return [Lack(what, remedy, privilege=True)]
    trial = attempt()
    if not trial.problem:
        return []
    if trial.step == "seize" and (tracer := _own_tracer()):
        remedy = "run gotrace outside of it: a process has one tracer at a time"
        return [Lack(f"gotrace itself is traced, by process {tracer} ({_name_of(tracer)})", remedy)]
    if trial.step == "syscall info":
        return [Lack("the kernel has no PTRACE_GET_SYSCALL_INFO", "use Linux 5.3 or newer")]
    what = "seccomp filters" if trial.step == "seccomp" else "ptrace"
    why = os.strerror(trial.problem).lower()
    if _filtered():
        remedy = "in a container: --cap-add=SYS_PTRACE, or --security-opt seccomp=unconfined"
        return [Lack(f"{what}: {why}; this process runs under a seccomp filter, as in a container", remedy)]
    return [Lack(f"{what}: {why}", f"a security module or the kernel's configuration refuses it: {_EBPF}")]


def _status() -> str:
    return _STATUS.read_text(errors="replace")


def _may_trace_all() -> bool:
    return holds(_status(), CAP_SYS_PTRACE)


def _own_tracer() -> int:
    return int(_status().partition("TracerPid:")[2].split()[0])


def _name_of(pid: int) -> str:
    try:
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "strace -f, a debugger"
    return "another gotrace" if name == KEEPER else printable(name.encode())


def _filtered() -> bool:
    return "\nSeccomp:\t2" in _status()
