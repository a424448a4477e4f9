"""Which security module of the kernel may have refused a call, and what allows it without that module.

Nobody is told that a module refused something. So it is concluded: the file's permissions allow it (the `permission`
fact: the kernel itself was asked), or the process has the capability; no filter answered in place of the kernel; and a
module is active. SELinux, AppArmor and Smack label what they confine; Landlock does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from gotrace.events.errno import errno_name
from gotrace.events.model import Exec, Fact, SyscallError
from gotrace.rules import capabilities, last_calls, loaded_files
from gotrace.rules.loaded_files import asker
from gotrace.trace.model import Span, Trace

APPARMOR, SELINUX, SMACK, LANDLOCK = "AppArmor", "SELinux", "Smack", "Landlock"
LOCKDOWN: Final = "lockdown"
_OTHERS: Final = {"landlock": LANDLOCK, "tomoyo": "TOMOYO", "bpf": "a BPF program (BPF LSM)"}
"""Those that label no process, the likeliest first."""
_LABELLING: Final = {"apparmor": APPARMOR, "selinux": SELINUX, "smack": SMACK}
_OF_APPARMOR: Final = re.compile(r"(?P<profile>.+) \((?P<mode>[a-z]+)\)")
_REFUSING: Final = frozenset({"enforce", "kill", "prompt", "mixed"})
_FREE_TYPES: Final = frozenset({"unconfined_t", "unconfined_service_t", "spc_t", "kernel_t", "init_t"})
"""What SELinux's policies forbid next to nothing."""
_SANDBOXERS: Final = frozenset({"landrun", "island"})
"""Programs that confine by Landlock what they start; others do with an option of that name."""
_OF_LANDLOCK: Final = re.compile(r"--landlock\b")
_FOR_GO: Final = "github.com/landlock-lsm/go-landlock"
_UNSURE, _DOUBTFUL = 0.7, 0.6
_SOON_NS: Final = 1_000_000_000
_LONGEST: Final = 100
_LOCKED: Final = frozenset({"ioperm", "iopl", "init_module", "finit_module"})
"""Calls that lockdown refuses with EPERM in each of its modes (kernel_lockdown(7)), of those that take a capability."""
_OF_THE_KERNEL: Final = ("ENOENT", "ENOTDIR", "EEXIST")
_NET_VERSION: Final = 4
"""Of Landlock's interface: the first that knows TCP."""
_PRIVILEGED_PORTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Module:
    """The one that refused it."""

    name: str
    profile: str = ""
    """What it calls the confinement of the process; empty where it has no name."""
    sure: float = last_calls.LIKELY


def module(trace: Trace, span: Span, *, pid: int = 0) -> Module | None:
    """What confines the process of this program (`pid`: a copy of it); None where no active module refuses anything."""
    told = trace.fact("security_modules")
    active = told.get("active") if told is not None else None
    active = [str(name) for name in active] if isinstance(active, list | tuple) else []
    fact = last_calls.confinement(trace, pid or span.process.pid)
    label = str(fact.data.get("label", "")) if fact is not None else ""
    enforces = told is not None and told.get("selinux_enforces") is True
    if fact is not None and fact.data.get("seen"):
        labelled = _labelled(label, active, enforces=enforces)
        if labelled is not None:
            return labelled
    elif label:  # gotrace's own: that of a process which was gone too soon may have been another
        names = [name for key, name in _LABELLING.items() if key in active and (key != "selinux" or enforces)]
        if names:
            return Module(" or ".join([*names, *([LANDLOCK] if "landlock" in active else [])]), sure=_UNSURE)
    for key, name in _OTHERS.items():
        if key in active:
            return Module(name, sure=_how_sure(trace, span, fact) if name == LANDLOCK else _DOUBTFUL)
    return None


def permission(trace: Trace, event: SyscallError | Exec) -> Fact | None:
    """That the permissions of its file allow what this call was refused."""
    name, path = ("execve", event.path) if isinstance(event, Exec) else (event.syscall, next(iter(event.paths), ""))
    for fact in trace.facts_of("permission"):
        if fact.pid == event.pid and fact.subject == path and fact.data.get("syscall") == name:
            return fact
    return None


def refuses(trace: Trace, span: Span, call: SyscallError, tried: Fact | None) -> tuple[Module, Fact | None] | None:
    """Who refused this call, and the `permission` fact for it; None where it need not be a security module."""
    error = errno_name(call.errno)
    if error == "EPERM" and call.syscall in _LOCKED and (mode := _lockdown(trace)):
        held = capabilities.held(last_calls.trusted(trace, span))
        needed = capabilities.needed(call)
        return (Module(LOCKDOWN, mode), None) if held is not None and held.intersection(needed) else None
    if error != "EACCES":
        return None
    allowed = permission(trace, call)
    if allowed is None and not (call.syscall == "bind" and _may_have_port(trace, span, call, tried)):
        return None
    found = module(trace, span, pid=call.pid)
    if found is None:
        return None
    if not _passed_by_filters(trace, span, call):
        # A filter sees no path, and hardly one answers EACCES to all; a label says who looks at each.
        return (replace(found, sure=_UNSURE), allowed) if found.profile and allowed is not None else None
    if allowed is None and found.name == LANDLOCK and _landlock_version(trace) < _NET_VERSION:
        return None
    return found, allowed


def refused_execs(trace: Trace) -> Iterator[tuple[Span, Exec, Fact, Module]]:
    """Programs that failed as they were refused to start another one that may be started."""
    for process in trace.processes:
        span = asker(process)
        if span is None or not span.failed:
            continue
        told: set[str] = set()
        for attempt in process.failed_execs:
            allowed = permission(trace, attempt) if errno_name(attempt.error) == "EACCES" else None
            found = module(trace, span, pid=process.pid) if allowed is not None else None
            if allowed is None or found is None or attempt.path in told or not _right_before_its_end(span, attempt):
                continue
            if not last_calls.filtered(trace, process.pid):
                told.add(attempt.path)
                yield span, attempt, allowed, found


def _labelled(label: str, active: list[str], *, enforces: bool) -> Module | None:
    """By what the module calls the process."""
    of_apparmor = _OF_APPARMOR.fullmatch(label)
    if of_apparmor is not None and "selinux" not in active:
        refuses = of_apparmor["mode"] in _REFUSING
        return Module(APPARMOR, of_apparmor["profile"][:_LONGEST]) if refuses else None
    parts = label.split(":")
    if len(parts) > 2 and "selinux" in active:
        return Module(SELINUX, parts[2][:_LONGEST]) if enforces and parts[2] not in _FREE_TYPES else None
    return Module(SMACK, label[:_LONGEST]) if label and "smack" in active else None


def _how_sure(trace: Trace, span: Span, fact: Fact | None) -> float:
    """How sure it is that it was Landlock: known sandboxes tell, and who may gain privileges is seldom in one."""
    history: list[Span] = [span, *span.process.spans, *span.ancestors()]
    for one in history:
        words = one.argv
        if loaded_files.name_of(one.exec.path) in _SANDBOXERS or any(map(_OF_LANDLOCK.match, words)):
            return last_calls.LIKELY
    program = loaded_files.files(trace, span).program
    go = program.data.get("go") if program is not None else None
    modules = go.get("modules") if isinstance(go, dict) else None
    if isinstance(modules, dict) and _FOR_GO in modules:
        return last_calls.LIKELY
    if fact is None or not fact.data.get("seen") or fact.data.get("no_new_privs"):
        return _UNSURE
    held = capabilities.held(fact) or frozenset()
    return _UNSURE if "CAP_SYS_ADMIN" in held else _DOUBTFUL


def _may_have_port(trace: Trace, span: Span, call: SyscallError, tried: Fact | None) -> bool:
    """The process may have each port, or this one is free to all: nothing but a security module can refuse it."""
    if not capabilities.needed(call):
        return False
    switch = tried.data.get("switch") if tried is not None else None
    first = switch.get("value") if isinstance(switch, dict) else None
    first = first if isinstance(first, int) else _PRIVILEGED_PORTS
    port = capabilities.port(call, span.stderr)
    if first == 0 or (port is not None and port >= first):
        return True
    fact = last_calls.trusted(trace, span)
    held = capabilities.held(fact)
    if fact is None or not held or fact.data.get("own_users"):
        return False
    return bool(held.intersection(capabilities.needed(call)))


def _passed_by_filters(trace: Trace, span: Span, call: SyscallError) -> bool:
    """No seccomp filter answered: there is none, or it let such calls pass to the kernel, which said something else."""
    if not last_calls.filtered(trace, span.process.pid):
        return True
    return any(one.syscall == call.syscall and errno_name(one.errno) in _OF_THE_KERNEL for one in span.process.errors)


def _lockdown(trace: Trace) -> str:
    told = trace.fact("security_modules")
    return str(told.get("lockdown", "")) if told is not None else ""


def _landlock_version(trace: Trace) -> int:
    told = trace.fact("security_modules")
    version = told.get("landlock") if told is not None else None
    return version if isinstance(version, int) else 0


def _right_before_its_end(span: Span, attempt: Exec) -> bool:
    return span.end_ns is None or span.end_ns - attempt.ts_ns < _SOON_NS
