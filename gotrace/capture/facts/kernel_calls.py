"""What becomes of the refused calls of a program when gotrace makes them itself, on the same machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gotrace.capture.facts.found import Found
from gotrace.capture.facts.processes import Processes
from gotrace.events.errno import errno_numbers
from gotrace.events.model import KnownEvent, SyscallError
from gotrace.host.kernel_calls import tried
from gotrace.sources import syscalls

_REFUSALS: Final = errno_numbers("EPERM", "EACCES", "ENOSYS")
_MOST: Final = 16
_SWITCHES: Final = {
    "io_uring_setup": "kernel/io_uring_disabled",
    "perf_event_open": "kernel/perf_event_paranoid",
    "bpf": "kernel/unprivileged_bpf_disabled",
    "userfaultfd": "vm/unprivileged_userfaultfd",
    "bind": "net/ipv4/ip_unprivileged_port_start",
    "unshare": "user/max_user_namespaces",
    "ptrace": "kernel/yama/ptrace_scope",
}
"""Below /proc/sys: what decides who may make the call."""


def kernel_call_facts(processes: Processes, events: Sequence[KnownEvent]) -> Iterator[Found]:
    """A `kernel_call` fact for each call that processes which failed were refused.

    Call it before there are threads: it forks.
    """
    failed = {life.pid for life in processes if life.failed}
    refused = dict.fromkeys(
        event.syscall
        for event in events
        if isinstance(event, SyscallError) and event.errno in _REFUSALS and event.pid in failed
    )
    numbers = {call.name: call.number for call in syscalls.table() if call.abi == "x86_64"}
    known = {name: numbers[name] for name in list(refused)[:_MOST] if name in numbers}
    if not known:
        return
    filters = _own_filters()
    for name, call in tried(known).items():
        data: dict[str, Any] = {"answer": call.answer, "listed": call.listed, "filtered": filters}
        if name in _SWITCHES and (value := _value(_SWITCHES[name])) is not None:
            data["switch"] = {"name": _SWITCHES[name].replace("/", "."), "value": value}
        yield Found("kernel_call", name, data)


def _own_filters() -> bool:
    """Whether a seccomp filter is on gotrace itself, and so on its own tries."""
    with suppress(OSError):
        return "\nSeccomp:\t2\n" in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    return False


def _value(switch: str) -> int | None:
    with suppress(OSError, ValueError):
        return int(Path("/proc/sys", switch).read_text(encoding="ascii"))
    return None
