"""GT401: a seccomp filter refuses a system call that a program needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import crashed, evidence, loaded_files, rebuild, refusals, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.refusals import By, Refusal
from gotrace.trace.crash import SIGSYS, crash_of
from gotrace.trace.model import Span, Trace

_OF_THREADS: Final = "clone3"
_LOG: Final = ("dmesg", "--ctime")
_FALLS_BACK: Final = frozenset({"clone3", "faccessat2", "statx", "close_range", "copy_file_range", "rseq"})
"""glibc goes on with an older call where these end with ENOSYS, and with ENOSYS only."""


class CallRefusedBySeccomp(Rule):
    """A seccomp filter answered a system call in place of the kernel, and the program ended by it.

    What it detects
    ---------------
    A program ended after a system call had failed with EPERM, EACCES or ENOSYS, though this kernel has the call and
    nothing else forbids it: gotrace made the same call itself, with arguments that do nothing, and got another answer;
    or it is under the same filter and was refused as well, while the kernel lists the call among its functions. Or the
    filter did not refuse the call, but ended the program by SIGSYS.

    Why it happens
    --------------
    Containers run under a filter of system calls (seccomp(2)): Docker's and Podman's profiles name the calls that are
    allowed, and answer all others with EPERM or ENOSYS. Docker forbids io_uring since its release 25. A profile that
    is older than a call does not know it: glibc makes threads by clone3 since 2.34, and goes on with clone where that
    ends with ENOSYS, but not where it ends with EPERM, as it did in Docker before 20.10.10.

    How to fix it
    -------------
    Allow the call in the profile (`--security-opt seccomp=PROFILE.json`), or update the container runtime. In the
    program, take EPERM for what ENOSYS is: the call is not there, and another way has to do.

    References
    ----------
    - seccomp(2), https://docs.docker.com/engine/security/seccomp/
    - https://github.com/moby/moby/pull/46762 (io_uring), https://github.com/moby/moby/pull/42681 (clone3)
    - https://github.com/moby/moby/issues/47532
    """

    code = "GT401"
    name = "call-refused-by-seccomp"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program and call."""
        for span in trace.spans:
            if span.exit is not None and span.exit.signal == SIGSYS:
                yield self._ended(trace, span)
        for refusal in refusals.refused_by(trace, By.SECCOMP):
            ending = refusal.ending
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(refusal),
                span=ending.span,
                evidence=evidence.of(
                    refusal.call, refusal.fault, evidence.quoted(ending.words), ending.span.exit, refusal.tried
                ),
                fix=_fixes(trace, refusal),
                confidence=refusal.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )

    def _ended(self, trace: Trace, span: Span) -> Finding:
        """Of a filter that does not refuse the call, but ends who makes it."""
        crash = crash_of(trace, span)
        asker = crashed.function(crash.stack[0]) if crash is not None and crash.stack else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"A seccomp filter ended {loaded_files.name_of(span.exec.path)} by SIGSYS for a system call that it "
                f"forbids{f', made in {asker}' if asker else ''}."
            ),
            span=span,
            evidence=evidence.of(crash.signal if crash is not None else None, span.exit),
            fix=[
                Fix("See which call it was: the kernel's log has its number (type=1326 ... syscall=).", _LOG),
                Fix("Allow that call in the seccomp profile, or have the filter answer with ENOSYS."),
            ],
            confidence=1.0,
            explains=frozenset({steps.span_key(span)}),
        )


def _message(refusal: Refusal) -> str:
    call, tried = refusal.call, refusal.tried
    own = str(tried.data.get("answer", "")) if tried is not None else ""
    if tried is not None and tried.data.get("filtered") and own in (refusal.error, "killed"):
        proof = "this kernel has the call, and gotrace, under the same filter, was refused it as well"
    else:
        proof = f"this kernel has the call: to gotrace itself it answered {own}" if own else "this kernel has the call"
    return (
        f"A seccomp filter refuses {refusal.ending.program} the system call {call.syscall} with {refusal.error}, and "
        f"{refusal.consequence}; {proof}."
    )


def _fixes(trace: Trace, refusal: Refusal) -> list[Fix]:
    name = refusal.call.syscall
    ways = []
    program = loaded_files.files(trace, refusal.ending.span).program
    if name == _OF_THREADS:
        text = "Update the container runtime: its profile has to answer clone3 with ENOSYS, so that glibc takes clone."
        ways.append(Fix(text))
        ways += rebuild.without_cgo(program, "Or build the program without cgo: Go makes its threads by clone itself.")
    elif name in _FALLS_BACK and refusal.error != "ENOSYS":
        ways.append(Fix(f"Have the profile answer {name} with ENOSYS: then glibc goes on with an older call."))
    elif name.startswith("io_uring"):
        text = "Take EPERM and ENOSYS of io_uring_setup both for `there is no io_uring`, and go on with epoll."
        ways.append(Fix(text))
    profile = "docker and podman: --security-opt seccomp=PROFILE.json"
    ways.append(Fix(f"{'Or allow' if ways else 'Allow'} {name} in the seccomp profile ({profile})."))
    return ways
