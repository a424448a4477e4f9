"""GT403: a program lacks a capability, or is kept off by a switch of the kernel."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import evidence, last_calls, refusals, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.refusals import By, Refusal
from gotrace.trace.model import Trace

_FOR: Final = {
    "bind": "to listen on a port below {limit}",
    "socket": "to open a raw socket",
    "perf_event_open": "to measure the kernel, or other users' processes",
    "mount": "to mount",
    "ptrace": "to trace that process",
}
_UNPRIVILEGED_PORTS: Final = 1024


class MissingCapability(Rule):
    """A program was refused a system call for want of a capability, or by a switch of the kernel, and ended by it.

    What it detects
    ---------------
    A program ended after a system call had failed with EPERM or EACCES that asks for a capability, and the process had
    not got it (CapEff of /proc/PID/status, read while it lived). Or the kernel refuses the call to everybody, by a
    switch below /proc/sys, and refused it to gotrace as well.

    Why it happens
    --------------
    What root may do is split into capabilities. A container or a service has few of them, a program of an ordinary
    user none: ports below 1024 take CAP_NET_BIND_SERVICE, raw sockets CAP_NET_RAW, measuring the kernel
    CAP_PERFMON or a lower kernel.perf_event_paranoid, mounts CAP_SYS_ADMIN.

    How to fix it
    -------------
    Do without it: another port, `exclude_kernel` in perf_event_attr. Or give the program the capability: with setcap(8)
    as an attribute of its file, with `--cap-add` in a container, with AmbientCapabilities= in a unit of systemd.

    References
    ----------
    - capabilities(7), setcap(8), perf_event_open(2), ip(7), packet(7)
    - https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities
    """

    code = "GT403"
    name = "missing-capability"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program and call."""
        for refusal in refusals.refused_by(trace, By.CAPABILITY, By.SWITCH):
            ending = refusal.ending
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(refusal),
                span=ending.span,
                evidence=evidence.of(
                    refusal.call,
                    refusal.fault,
                    ending.span.exit,
                    last_calls.seen(trace, ending.span) if refusal.by is By.CAPABILITY else refusal.tried,
                ),
                fix=_fixes(refusal),
                confidence=refusal.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _message(refusal: Refusal) -> str:
    call, program = refusal.call, refusal.ending.program
    if refusal.by is By.SWITCH:
        name, value = _switch(refusal)
        return (
            f"{program} may not make the system call {call.syscall} ({refusal.error}), and {refusal.consequence}: "
            f"{name} is {value} on this machine."
        )
    wish = _FOR.get(call.syscall, "for that").format(limit=_first_free_port(refusal))
    return (
        f"{program} was refused {call.syscall} ({refusal.error}), and {refusal.consequence}: {wish} it takes "
        f"{refusal.capability}, which the process has not got."
    )


def _fixes(refusal: Refusal) -> list[Fix]:
    call = refusal.call.syscall
    if refusal.by is By.SWITCH:
        name, value = _switch(refusal)
        return [Fix(f"Allow it on this machine: sysctl {name} is {value}."), Fix("Or have the program do without.")]
    ways = []
    if call == "bind":
        ways.append(Fix(f"Listen on a port from {_first_free_port(refusal)} on, and have others forward to it."))
    elif call == "perf_event_open":
        ways.append(Fix("Set exclude_kernel and exclude_hv in perf_event_attr: that is allowed to everybody."))
    path = refusal.ending.span.exec.path
    path = posixpath.normpath(posixpath.join(refusal.ending.span.exec.cwd or "", path))
    granted = f"{refusal.capability.lower()}+ep"
    ways.append(Fix(f"{'Or give' if ways else 'Give'} the program the capability.", ("setcap", granted, path)))
    name = refusal.capability.removeprefix("CAP_")
    ways.append(
        Fix(f"In a container: --cap-add {name}; in a unit of systemd: AmbientCapabilities={refusal.capability}.")
    )
    return ways


def _switch(refusal: Refusal) -> tuple[str, object]:
    switch = refusal.tried.data.get("switch") if refusal.tried is not None else None
    return (str(switch.get("name")), switch.get("value")) if isinstance(switch, dict) else ("", "")


def _first_free_port(refusal: Refusal) -> int:
    _, value = _switch(refusal)
    return value if isinstance(value, int) else _UNPRIVILEGED_PORTS
