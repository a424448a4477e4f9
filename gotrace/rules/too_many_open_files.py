"""GT404: a program has as many open files as it may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_name, errno_numbers
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, last_calls, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.last_calls import Ending
from gotrace.rules.listing import listed
from gotrace.trace.model import Span, Trace

_ERRORS: Final = errno_numbers("EMFILE", "ENFILE")
_OF_ITS_OWN: Final = frozenset({"inotify_init", "inotify_init1", "fanotify_init"})
"""Calls that end with EMFILE by limits of their own (fs.inotify.max_user_instances)."""
_AGAIN_AND_AGAIN: Final = 3
_WHILE_NS: Final = 1_000_000_000
_SAID: Final = re.compile(r"too many open files")


class TooManyOpenFiles(Rule):
    """A program could open no more files, sockets or pipes, and ended by it.

    What it detects
    ---------------
    A program ended after a system call had failed with EMFILE: it had as many open descriptors as its limit allows.
    (ENFILE: the whole machine had.) The limit is read while the process lives. Or it lives on with that for a second or
    more (a server that cannot accept a connection tries again and again): that is a warning.

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
        found = [one for one in last_calls.endings(trace, _ERRORS, _SAID) if one.call.syscall not in _OF_ITS_OWN]
        ended = {id(one.span) for one in found}
        for span in trace.spans:
            if id(span) not in ended:
                yield from self._living(trace, span)
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
                    ending.span.exit,
                    last_calls.told_of(trace, ending.span, "limits.nofile"),
                ),
                fix=_fixes(trace, ending.span),
                confidence=ending.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )

    def _living(self, trace: Trace, span: Span) -> Iterator[Finding]:
        """Of a program that lives with it: only where it met the limit again and again."""
        calls = [one for one in span.errors if one.errno in _ERRORS and one.syscall not in _OF_ITS_OWN]
        count = sum(one.repeat for one in calls)
        if count < _AGAIN_AND_AGAIN or not _lived_on(span, calls[0]):
            return
        names = list(dict.fromkeys(one.syscall for one in calls))
        yield Finding(
            code=self.code,
            name=self.name,
            severity=Severity.WARNING,
            message=(
                f"{loaded_files.name_of(span.exec.path)} {_has_no_more(calls[-1])} and goes on with that: "
                f"{count} calls ({listed(names, 3)}) ended with {errno_name(calls[-1].errno)}{_rate(calls, count)}."
                f"{_limit(trace, span)}"
            ),
            span=span,
            evidence=evidence.of(*evidence.sample(calls), last_calls.told_of(trace, span, "limits.nofile")),
            fix=_fixes(trace, span),
            confidence=last_calls.LIKELY,
        )


def _lived_on(span: Span, call: SyscallError) -> bool:
    """It still ran when the watching ended, or ran on for a while, whoever ended it and with which status."""
    return span.end_ns is None or span.end_ns - call.ts_ns >= _WHILE_NS


def _has_no_more(call: SyscallError) -> str:
    if errno_name(call.errno) == "ENFILE":
        return "could open nothing more, as the whole machine has as many open files as it may have,"
    return "has as many open files as it may have"


def _rate(calls: list[SyscallError], count: int) -> str:
    """How many a second."""
    lasted = (calls[-1].ts_ns - calls[0].ts_ns) / 1e9
    return f", {count / lasted:.1f} a second for {lasted:.0f} s" if lasted >= 1 else ""


def _limit(trace: Trace, span: Span) -> str:
    soft, hard, known = last_calls.limit(trace, span, "nofile")
    # Of a program that was gone before anybody looked it is known what it began with; Go raises that at once.
    raised = last_calls.seen(trace, span) is None and rebuild.go_of(loaded_files.files(trace, span).program)
    in_force = hard if raised else soft
    return f" Its limit is {in_force}." if known and in_force is not None else ""


def _message(trace: Trace, ending: Ending) -> str:
    call = ending.call
    if errno_name(call.errno) == "ENFILE":
        return f"{ending.program} could open nothing more: {call.syscall} ended with ENFILE, the machine's own limit."
    limit = _limit(trace, ending.span)
    return f"{ending.program} has as many open files as it may have: {call.syscall} ended with EMFILE.{limit}"


def _fixes(trace: Trace, span: Span) -> list[Fix]:
    ways = [Fix("Close what is no longer needed; what is open says: ls -l /proc/PID/fd, while it runs.")]
    which = "hard limit" if rebuild.go_of(loaded_files.files(trace, span).program) else "limit"
    places = "systemd: LimitNOFILE=65536; docker and podman: --ulimit nofile=65536:65536; a shell: ulimit -n 65536"
    ways.append(Fix(f"Or raise the {which} of open files ({places})."))
    return ways
