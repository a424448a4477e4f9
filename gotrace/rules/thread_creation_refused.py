"""GT405: the kernel makes no more threads or processes for a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_name, errno_numbers
from gotrace.events.facets import Facet
from gotrace.rules import evidence, last_calls, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.last_calls import Ending
from gotrace.trace.model import Trace

_ERRORS: Final = errno_numbers("EAGAIN", "ENOMEM")
_MAKERS: Final = frozenset({"clone", "clone3", "fork", "vfork"})
_CLONE_THREAD: Final = 0x00010000
_SAID: Final = re.compile(r"failed to create new OS thread|pthread_create failed|newosproc")


class ThreadCreationRefused(Rule):
    """The kernel refused a new thread or process, and the program ended by it.

    What it detects
    ---------------
    A program ended after clone(2), clone3 or fork had failed with EAGAIN (or ENOMEM): a limit on processes and threads
    was reached. The limits are read while the process lives: that of the user (RLIMIT_NPROC) and that of the
    control group (pids.max).

    Why it happens
    --------------
    Go makes a thread for each goroutine that is in C code, in a blocking system call or locked to its thread: a
    hundred slow cgo calls at a time are a hundred threads. Containers limit them (`--pids-limit`, Kubernetes'
    podPidsLimit), systemd does (TasksMax=), and ulimit -u counts all processes and threads of the user, in all
    containers together.

    How to fix it
    -------------
    Raise that limit. Or have fewer threads: bound how many goroutines call into C at a time (a semaphore), and set
    debug.SetMaxThreads to find a leak early.

    References
    ----------
    - clone(2) (EAGAIN), getrlimit(2) (RLIMIT_NPROC), https://docs.kernel.org/admin-guide/cgroup-v2.html#pid
    - Go's src/runtime/os_linux.go (newosproc), src/runtime/cgo/gcc_libinit.c
    """

    code = "GT405"
    name = "thread-creation-refused"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        found = (one for one in last_calls.endings(trace, _ERRORS, _SAID) if one.call.syscall in _MAKERS)
        for ending in last_calls.one_of_each_program(found):
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(trace, ending),
                span=ending.span,
                evidence=evidence.of(
                    ending.call,
                    evidence.quoted(ending.words),
                    ending.crash.signal if ending.crash is not None else None,
                    ending.span.exit,
                    last_calls.told_of(trace, ending.span, "limits.nproc", "pids_max"),
                ),
                fix=_fixes(trace, ending),
                confidence=ending.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _message(trace: Trace, ending: Ending) -> str:
    call = ending.call
    thread = call.syscall == "clone3" or (call.args and call.args[0] & _CLONE_THREAD)
    plural = "threads" if thread else "processes"
    limits = _limits(trace, ending)
    told = f"; {limits}" if limits else ""
    times = f" {ending.count} times" if ending.count > 1 else ""
    return (
        f"{ending.program} got no more {plural}: the kernel refused one{times} ({call.syscall}, "
        f"{errno_name(call.errno)}){told}."
    )


def _limits(trace: Trace, ending: Ending) -> str:
    """ "its user may have 12 (ulimit -u)"; empty where none is known."""
    soft, _, known = last_calls.limit(trace, ending.span, "nproc")
    told = [f"its user may have {soft} threads in all (ulimit -u)"] if known and soft is not None else []
    fact = last_calls.confinement(trace, ending.span.process.pid)
    most = fact.data.get("pids_max") if fact is not None else None
    return " and ".join([*told, *([f"its control group {most} (pids.max)"] if isinstance(most, int) else [])])


def _fixes(trace: Trace, ending: Ending) -> list[Fix]:
    places = "ulimit -u; systemd: LimitNPROC= and TasksMax=; docker and podman: --pids-limit"
    return [
        Fix(f"Raise the limit of processes and threads ({places})."),
        Fix("Or have fewer threads: bound how many goroutines are in C code, or locked to their thread, at a time."),
    ]
