"""GT402: a program needs a system call that this kernel does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules import evidence, refusals, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.refusals import By, Refusal
from gotrace.trace.model import Trace


class CallUnknownToKernel(Rule):
    """A program ended by a system call that this kernel does not have.

    What it detects
    ---------------
    A program ended after a system call had failed with ENOSYS, and it is the kernel that says so: gotrace made the
    same call itself, under no seccomp filter, and got the same answer, or the kernel lists no function for it. The
    versions that the message names are from a table, and decide nothing.

    Why it happens
    --------------
    The kernel is older than the call, or was built without it (CONFIG_IO_URING and others), or has dropped it. In a
    container the kernel is that of the machine, whatever the image is: a program that runs in the image elsewhere
    needs not run here. Sandboxes such as gVisor have a kernel of their own, with fewer calls.

    How to fix it
    -------------
    Have the program go on without the call where it ends with ENOSYS, build it against an older library that does not
    make the call, or run it on a newer kernel.

    References
    ----------
    - syscalls(2), the table of calls and kernels
    - https://go.dev/wiki/MinimumRequirements
    """

    code = "GT402"
    name = "call-unknown-to-kernel"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program and call."""
        for refusal in refusals.refused_by(trace, By.KERNEL):
            ending = refusal.ending
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(trace, refusal),
                span=ending.span,
                evidence=evidence.of(
                    refusal.call, refusal.fault, evidence.quoted(ending.words), ending.span.exit, refusal.tried
                ),
                fix=_fixes(refusal),
                confidence=refusal.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _message(trace: Trace, refusal: Refusal) -> str:
    call = refusal.call
    kernel = str(trace.header.host.get("kernel", "")) or "this one"
    since = refusals.since(call.syscall)
    told = f", which Linux has since {since}" if since else ""
    here = f"the kernel here, {kernel}, does not have it" if kernel != "this one" else "this kernel does not have it"
    who = refusal.ending.program
    return f"{who} makes the system call {_named(call.syscall)}{told}: {here}, and {refusal.consequence}."


def _named(syscall: str) -> str:
    number = syscall.removeprefix("syscall_")
    return f"number {number}" if number.isdigit() else syscall


def _fixes(refusal: Refusal) -> list[Fix]:
    name = _named(refusal.call.syscall)
    since = refusals.since(refusal.call.syscall)
    ways = [Fix(f"Have the program go on without {name} where it ends with ENOSYS.")]
    if since:
        ways.append(Fix(f"Or run it on Linux {since} or newer, built with that call."))
    used = refusals.of_glibc(refusal.call.syscall)
    if used:
        text = f"glibc makes it {used['use']} since {used['version']}: a program built with an older one does not."
        ways.append(Fix(text))
    return ways
