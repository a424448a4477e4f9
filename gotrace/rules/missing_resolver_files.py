"""GT503: names are looked up without resolv.conf or without hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.name_lookups import Lookup, lookups
from gotrace.rules.system_files import Seeker
from gotrace.trace.model import Trace

_SERVERS: Final = "/etc/resolv.conf"
_NAMES: Final = "/etc/hosts"
_ORDER: Final = "/etc/nsswitch.conf"
_LOCAL: Final = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


class MissingResolverFiles(Rule):
    """A program failed to look up a name, because /etc/resolv.conf or /etc/hosts is not where it runs.

    What it detects
    ---------------
    A program failed and told of a look-up that failed, and before that it had opened /etc/resolv.conf in vain and
    asked nobody but the loopback address; or the name was a local one such as localhost, and /etc/hosts was not there.
    A missing /etc/nsswitch.conf alone is no finding: Go and musl do well without.

    Why it happens
    --------------
    Where there is no resolv.conf, Go's resolver and those of glibc and musl ask the machine itself: 127.0.0.1, port
    53 (and ::1). In a container nobody listens there, so the answer is "connection refused". And localhost is a name
    like any other for Go: without /etc/hosts it is a question for the name server. Container runtimes put these
    files in by themselves; a root folder that was made by hand (chroot, a unit with RootDirectory=, an initramfs, a
    virtual machine for one program) lacks them.

    How to fix it
    -------------
    Give the root folder the files: `cp /etc/resolv.conf /etc/hosts ROOT/etc/`, or mount them there. Where there is to
    be no name service at all, use addresses.

    References
    ----------
    - resolv.conf(5), hosts(5), nsswitch.conf(5)
    - Go's src/net/dnsconfig.go (defaultNS) and dnsconfig_unix.go
    - https://github.com/golang/go/issues/22846, https://github.com/golang/go/issues/35305
    """

    code = "GT503"
    name = "missing-resolver-files"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each run, about the first name that it missed for want of a file."""
        for seeker in system_files.seekers(trace):
            for lookup in lookups(seeker.span):
                lacking = _lacking(seeker, lookup)
                if lacking:
                    yield self._finding(seeker, lookup, lacking)
                    break

    def _finding(self, seeker: Seeker, lookup: Lookup, lacking: list[SyscallError]) -> Finding:
        files = [call.paths[0] for call in lacking]
        order = seeker.missed(_ORDER)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(seeker, lookup, files),
            span=seeker.span,
            evidence=evidence.of(*lacking, order, evidence.quoted(lookup.words), seeker.span.exit),
            fix=_fixes(seeker, files),
            explains=frozenset({seeker.key}),
        )


def _lacking(seeker: Seeker, lookup: Lookup) -> list[SyscallError]:
    """The files for want of which this name was not found, as the calls that missed them."""
    servers, names = seeker.missed(_SERVERS), seeker.missed(_NAMES)
    # A server in the error that is not the fallback was read from a file that came later.
    unanswered = servers is not None and (lookup.by_loopback or not lookup.server)
    wanted = [servers if unanswered else None, names if unanswered or lookup.name in _LOCAL else None]
    return [call for call in wanted if call is not None]


def _message(seeker: Seeker, lookup: Lookup, files: list[str]) -> str:
    there = f"among the files of {seeker.where}"
    if _SERVERS not in files:
        return (
            f"{seeker.name} found no {lookup.name}: {_NAMES} is not {there}, so it asked the name server "
            f"{lookup.server or 'of the system'} for a name that only that file has."
        )
    which = " and ".join(files)
    asked = lookup.server or "127.0.0.1:53"
    return (
        f"{seeker.name} found no {lookup.name}: {which} {'are' if len(files) > 1 else 'is'} not {there}. Without "
        f"{_SERVERS} a program asks itself, at {asked}, where no name server answers."
    )


def _fixes(seeker: Seeker, files: list[str]) -> list[Fix]:
    named = " and ".join(files)
    if seeker.root:
        command = ("install", "-D", "-m", "644", "-t", f"{seeker.root.rstrip('/')}/etc", *files)
        return [Fix(f"Give {seeker.root} the files of this machine.", command)]
    if seeker.elsewhere:
        return [
            Fix(f"Put {named} into that root folder, or mount those of this machine there read-only."),
            Fix("Under docker and podman: leave it to them, or say --dns ADDRESS and --add-host NAME:ADDRESS."),
        ]
    return [Fix(f"Write {named}: `nameserver ADDRESS` in {_SERVERS}, `127.0.0.1 localhost` in {_NAMES}.")]
