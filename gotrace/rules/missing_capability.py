"""GT403: a program lacks a capability, or is kept off by a switch of the kernel."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_name, errno_numbers
from gotrace.events.facets import Facet
from gotrace.rules import capabilities, evidence, fixes, last_calls, loaded_files, refusals, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.refusals import By, Refusal
from gotrace.trace.model import Span, Trace

_FOR: Final = {
    "bind": "to listen on a port below {limit} it takes",
    "socket": "to open a raw socket it takes",
    "perf_event_open": "to measure the kernel, or other users' processes, it takes",
    "mount": "to mount it takes",
    "ptrace": "to trace that process it takes",
}
_UNPRIVILEGED_PORTS: Final = 1024
_PORTS_SWITCH: Final = "net.ipv4.ip_unprivileged_port_start"
_REFUSALS: Final = errno_numbers("EPERM", "EACCES")


class MissingCapability(Rule):
    """A program was refused a system call for want of a capability, or by a switch of the kernel, and ended by it.

    What it detects
    ---------------
    A program ended after a system call had failed with EPERM or EACCES that asks for a capability, and the process had
    not got it (CapEff of /proc/PID/status, read while it lived). Or the kernel refuses the call to everybody, by a
    switch below /proc/sys, and refused it to gotrace as well. A program that went on after the refusal did not end by
    it: one that lived on for longer than a moment, or wanted something else afterwards and failed by that.

    A set-user-ID program, or one whose file has capabilities, has none of that where an ordinary user traces it
    (execve(2)). If such a program fails under gotrace's own tracing, the finding says so, and blames nothing else.

    Why it happens
    --------------
    What root may do is split into capabilities. A container or a service has few of them, a program of an ordinary
    user none: ports below 1024 take CAP_NET_BIND_SERVICE, raw sockets CAP_NET_RAW, measuring the kernel
    CAP_PERFMON or a lower kernel.perf_event_paranoid, mounts CAP_SYS_ADMIN.

    How to fix it
    -------------
    Do without it: another port, `exclude_kernel` in perf_event_attr. Or give the program the capability: with setcap(8)
    as an attribute of its file, with `--cap-add` in a container, with AmbientCapabilities= in a unit of systemd. Which
    ports are free to all says net.ipv4.ip_unprivileged_port_start. Watch with `--sudo` what lost its privilege by being
    traced.

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
        """One finding for each program and call; one for a program that lost its privilege by being traced."""
        powerless = [span for span in trace.spans if span.exec.suppressed and span.failed]
        for refusal in refusals.refused_by(trace, By.CAPABILITY, By.SWITCH):
            ending = refusal.ending
            above = refusals.without_privilege(ending.span)
            if above is not None:
                powerless.append(above)
                continue
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
                    last_calls.told_of(trace, ending.span, "capabilities")
                    if refusal.by is By.CAPABILITY
                    else refusal.tried,
                ),
                fix=_fixes(trace, refusal),
                confidence=refusal.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )
        for span in dict.fromkeys(powerless):
            yield self._traced(trace, span)

    def _traced(self, trace: Trace, span: Span) -> Finding:
        """It is gotrace that took the privilege away."""
        program = loaded_files.name_of(span.exec.path)
        refused = next((call for call in span.errors if call.errno in _REFUSALS), None)
        what = f": it was refused {refused.syscall} ({errno_name(refused.errno)})" if refused is not None else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=Severity.WARNING,
            message=(
                f"gotrace's own tracing took from {program} the privilege of its file (set-user-ID, or capabilities), "
                f"so that it may have failed by that alone{what}. Traced by an ordinary user no program gets any."
            ),
            span=span,
            evidence=evidence.of(span.exec, refused, span.exit),
            fix=[Fix("Watch it by eBPF, where it keeps its privilege.", _by_ebpf(trace))],
            confidence=last_calls.LIKELY,
            explains=frozenset({steps.span_key(span)}),
        )


def _by_ebpf(trace: Trace) -> tuple[str, ...]:
    return ("gotrace", "run", "--sudo", "--", *trace.header.argv)


def _message(refusal: Refusal) -> str:
    call, program = refusal.call, refusal.ending.program
    if refusal.by is By.SWITCH:
        name, value = _switch(refusal)
        return (
            f"{program} may not make the system call {call.syscall} ({refusal.error}), and {refusal.consequence}: "
            f"{name} is {value} on this machine."
        )
    wish = _FOR.get(call.syscall, "for that it takes").format(limit=_first_free_port(refusal))
    if call.syscall == "bind" and call.address:
        wish = f"to listen on {call.address}, a port below {_first_free_port(refusal)}, it takes"
    return (
        f"{program} was refused {call.syscall} ({refusal.error}), and {refusal.consequence}: {wish} "
        f"{refusal.capability}, which the process has not got."
    )


def _fixes(trace: Trace, refusal: Refusal) -> list[Fix]:
    call = refusal.call.syscall
    if refusal.by is By.SWITCH:
        name, value = _switch(refusal)
        return [Fix(f"Allow it on this machine: sysctl {name} is {value}."), Fix("Or have the program do without.")]
    ways = []
    if call == "bind":
        first = _first_free_port(refusal)
        ways.append(Fix(f"Listen on a port from {first} on, and have others forward to it."))
    elif call == "perf_event_open":
        ways.append(Fix("Set exclude_kernel and exclude_hv in perf_event_attr: that is allowed to everybody."))
    path = refusal.ending.span.exec.path
    path = posixpath.normpath(posixpath.join(refusal.ending.span.exec.cwd or "", path))
    granted = f"{refusal.capability.lower()}+ep"
    command = fixes.privileged(trace, ("setcap", granted, path))
    ways.append(Fix(f"{'Or give' if ways else 'Give'} the program the capability.", command))
    name = refusal.capability.removeprefix("CAP_")
    ways.append(
        Fix(f"In a container: --cap-add {name}; in a unit of systemd: AmbientCapabilities={refusal.capability}.")
    )
    if call == "bind":
        ways.append(_free_ports(trace, refusal))
    return ways


def _free_ports(trace: Trace, refusal: Refusal) -> Fix:
    """The switch that says which ports are free to all; with the port, where the program told it."""
    first = _first_free_port(refusal)
    text = f"Or free the port to all programs of the network namespace: {_PORTS_SWITCH} is {first}"
    port = capabilities.port(refusal.call, refusal.ending.span.stderr)
    if port is None:
        return Fix(f"{text}, and has to be the port at most.")
    return Fix(f"{text}.", fixes.privileged(trace, ("sysctl", "-w", f"{_PORTS_SWITCH}={port}")))


def _switch(refusal: Refusal) -> tuple[str, object]:
    switch = refusal.tried.data.get("switch") if refusal.tried is not None else None
    return (str(switch.get("name")), switch.get("value")) if isinstance(switch, dict) else ("", "")


def _first_free_port(refusal: Refusal) -> int:
    _, value = _switch(refusal)
    return value if isinstance(value, int) else _UNPRIVILEGED_PORTS
