"""Which security modules of the kernel may have refused what a program was refused: a `security_modules` fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gotrace.capture.facts.found import Found
from gotrace.capture.facts.processes import Processes
from gotrace.events.errno import errno_numbers
from gotrace.events.model import Exec, KnownEvent, SyscallError
from gotrace.host import security_modules

_REFUSED = errno_numbers("EACCES", "EPERM")


def security_module_facts(processes: Processes, events: Sequence[KnownEvent]) -> Iterator[Found]:
    """One fact, where a process that failed had been refused something; none else."""
    failed = {life.pid for life in processes if life.failed}
    for event in events:
        error = event.errno if isinstance(event, SyscallError) else event.error if isinstance(event, Exec) else 0
        if error in _REFUSED and event.pid in failed:
            data: dict[str, object] = {"active": list(security_modules.active())}
            if (version := security_modules.landlock_version()) > 0:
                data["landlock"] = version
            if (enforces := security_modules.selinux_enforces()) is not None:
                data["selinux_enforces"] = enforces
            if mode := security_modules.lockdown():
                data["lockdown"] = mode
            yield Found("security_modules", "", data)
            return
