"""This machine with a kernel that refuses some system calls, as an old one or a container's filter does.

A call that is refused so never comes to the filter by which ptrace's source has calls stop: in a build it does not see
it, in a program's run it has all calls stop. eBPF's sees it anyway. An ordinary user gets no_new_privs with the filter,
by which sudo does not work inside.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec

from gotrace.scenario.environments.base import Settings, checked
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan
from gotrace.sources import syscalls

_NEEDED = frozenset({"execve", "seccomp", "prctl"})
"""Without which the program could not be started."""


class _Seccomp(msgspec.Struct, forbid_unknown_fields=True):
    errno: dict[str, str]
    """Name of a call -> name of the error that it fails with: ENOSYS, EPERM."""


class _Space:
    kind = "seccomp"
    around_command = False

    def lacks(self, settings: Settings) -> list[str]:
        self._refused(settings)
        return [] if os.uname().machine == "x86_64" else ["needs an x86-64 machine: the filter knows its calls only"]

    def plan(self, settings: Settings, work: Path) -> Plan:
        return Plan(refuse=self._refused(settings)).for_work(work)

    def _refused(self, settings: Settings) -> dict[int, int]:
        numbers = {call.name: call.number for call in syscalls.table() if call.abi == "x86_64"}
        refused = {}
        for call, name in checked(self.kind, settings, _Seccomp).errno.items():
            if call not in numbers or call in _NEEDED:
                raise ScenarioError(f"environment seccomp: {call!r} is no system call that can be refused")
            if not name.startswith("E") or not hasattr(errno, name):
                raise ScenarioError(f"environment seccomp: {name!r} is no error's name, as ENOSYS is")
            refused[numbers[call]] = getattr(errno, name)
        return refused


SPACE = _Space()
