"""GT404: a program has as many open files as it may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_name, errno_numbers
from gotrace.events.facets import Facet
from gotrace.rules import evidence, last_calls, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.last_calls import Ending
from gotrace.trace.model import Trace

_ERRORS: Final = errno_numbers("EMFILE", "ENFILE")
_SAID: Final = re.compile(r"too many open files")


class TooManyOpenFiles(Rule):
    """A program could open no more files, sockets or pipes, and ended by it.

    What it detects
    ---------------
    A program ended after a system call had failed with EMFILE: it had as many open descriptors as its limit allows.
    (ENFILE: the whole machine had.) The limit is read while the process lives.

    Why it happens
    --------------
    Each connection, file and pipe is a descriptor. The limit is low by tradition (1024, soft), and a program that does
    not close what it opens reaches every limit: a response body that is not closed, a connection for each request.
    Go raises the soft limit to the hard one when it starts, since 1.19, so it is the hard one that was reached. What
    it starts gets the former soft limit back.

    How to fix it
    -------------
    See what is open: `ls -l /proc/PID/fd`. Close what is not needed any more. Raise the hard limit: LimitNOFILE= in a
    unit of systemd, `--ulimit nofile=65536` in a container, /etc/security/limits.conf for users who log in.

    References
    ----------
    - getrlimit(2) (RLIMIT_NOFILE), https://go.dev/issue/46279
    """

    code = "GT404"
    name = "too-many-open-files"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for ending in last_calls.one_of_each_program(last_calls.endings(trace, _ERRORS, _SAID)):
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(trace, ending),
                span=ending.span,
                evidence=evidence.of(
                    ending.call,
                    evidence.quoted(ending.words),
                    ending.span.exit,
                    last_calls.seen(trace, ending.span),
                ),
                fix=_fixes(trace, ending),
                confidence=ending.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _message(trace: Trace, ending: Ending) -> str:
    call = ending.call
    if errno_name(call.errno) == "ENFILE":
        return f"{ending.program} could open nothing more: {call.syscall} ended with ENFILE, the machine's own limit."
    _, hard, known = last_calls.limit(trace, ending.span, "nofile")
    limit = f" Its limit is {hard}." if known and hard is not None else ""
    return f"{ending.program} has as many open files as it may have: {call.syscall} ended with EMFILE.{limit}"


def _fixes(trace: Trace, ending: Ending) -> list[Fix]:
    ways = [Fix("Close what is no longer needed; what is open says: ls -l /proc/PID/fd, while it runs.")]
    which = "hard limit" if rebuild.go_of(loaded_files.files(trace, ending.span).program) else "limit"
    places = "systemd: LimitNOFILE=65536; docker and podman: --ulimit nofile=65536:65536; a shell: ulimit -n 65536"
    ways.append(Fix(f"Or raise the {which} of open files ({places})."))
    return ways
