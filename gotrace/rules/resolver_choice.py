"""GT504: the resolver that looked a name up is not the one that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Fact, SyscallError
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.name_lookups import Lookup, lookups
from gotrace.rules.system_files import Seeker
from gotrace.trace.model import Trace

_KNOWN_TO_GO: Final = ("files", "dns")


class ResolverChoice(Rule):
    """A name was looked up by the resolver that does not know it: Go's own in place of the C library's, or the reverse.

    What it detects
    ---------------
    A program of Go failed and told of a look-up that failed, and /etc/nsswitch.conf names sources of host names beyond
    `files` and `dns`. Either Go's resolver looked, which knows no other source, and the C library, asked afterwards
    for the same name, finds it. Or the C library looked, and did not find the module of such a source
    (libnss_NAME.so.2 ended with ENOENT in all folders).

    Why it happens
    --------------
    A program built with cgo may use getaddrinfo(3), which does what nsswitch.conf says and loads a library for each
    source. One built without cgo, or with -tags netgo, or run with GODEBUG=netdns=go, reads /etc/hosts and asks the
    name servers, and skips everything else. So the same source code finds a name in one build and not in the
    other. The other way round, a static or slim image often has an nsswitch.conf that names modules nobody installed;
    Go's resolver takes no notice of these, getaddrinfo fails.

    How to fix it
    -------------
    Choose the resolver: GODEBUG=netdns=cgo or netdns=go at run time, where the program was built with cgo; else build
    it with CGO_ENABLED=1. Or give the system the missing module, or take it out of the line `hosts:`.

    References
    ----------
    - https://pkg.go.dev/net#hdr-Name_Resolution
    - Go's src/net/conf.go; nsswitch.conf(5)
    - https://github.com/golang/go/issues/33019, https://github.com/golang/go/issues/40686
    """

    code = "GT504"
    name = "resolver-choice"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.STDERR_TEXT, Facet.PROBED})
    consequence_of = ("missing-resolver-files",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each run, about the first name that the other resolver would have found."""
        for seeker in system_files.seekers(trace):
            for lookup in lookups(seeker.span):
                found = self._by_go(trace, seeker, lookup) or self._by_libc(trace, seeker, lookup)
                if found is not None:
                    yield found
                    break

    def _by_go(self, trace: Trace, seeker: Seeker, lookup: Lookup) -> Finding | None:
        """Go's resolver looked, and the C library finds the name."""
        asked = next((fact for fact in trace.facts_of("name_lookup") if fact.subject == lookup.name), None)
        skipped = [source for source in _sources(seeker) if source not in _KNOWN_TO_GO]
        if asked is None or not asked.data.get("addresses") or not skipped or not _is_of_go(seeker, lookup):
            return None
        if "dns" in _sources(seeker) and not lookup.found_nothing:
            return None  # a name server did not answer, and has done so since
        able = seeker.parts is not None and "cgo resolver" in seeker.parts
        why = "it was told to" if able else "it was built without the C library's"
        message = (
            f"{seeker.name} looked {lookup.name} up by Go's own resolver, because {why}. That reads /etc/hosts and "
            f"asks name servers, and skips {_listed(skipped)} of the line hosts: in /etc/nsswitch.conf. The C library "
            f"finds the name."
        )
        return self._finding(seeker, lookup, message, [asked], _to_libc(trace, able=able))

    def _by_libc(self, trace: Trace, seeker: Seeker, lookup: Lookup) -> Finding | None:
        """The C library looked, and has no module for a source."""
        if lookup.server:
            return None
        for source in _sources(seeker):
            file = f"libnss_{source}.so.2"
            calls = [call for call in seeker.span.failing(file) if errno_name(call.errno) == "ENOENT"]
            if source in _KNOWN_TO_GO or not calls or seeker.known("modules").get(source):
                continue
            if lookup.found_nothing and "dns" in _sources(seeker):
                continue  # a name server was asked as well, and knows no such name
            message = (
                f"{seeker.name} looked {lookup.name} up by the C library's resolver, and /etc/nsswitch.conf has it ask "
                f"{source} for host names; {file}, which would do that, is in none of the {len(calls)} places where it "
                "was looked for. Go's own resolver takes no notice of such a source."
            )
            return self._finding(seeker, lookup, message, calls, _to_go(trace, seeker, source))
        return None

    def _finding(
        self, seeker: Seeker, lookup: Lookup, message: str, shown: list[Fact] | list[SyscallError], fix: list[Fix]
    ) -> Finding:
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message,
            span=seeker.span,
            evidence=evidence.of(*evidence.sample(shown), evidence.quoted(lookup.words), seeker.span.exit),
            fix=fix,
            explains=frozenset({seeker.key}),
        )


def _is_of_go(seeker: Seeker, lookup: Lookup) -> bool:
    return bool(lookup.server) or (seeker.parts is not None and "cgo resolver" not in seeker.parts)


def _sources(seeker: Seeker) -> list[str]:
    sources = seeker.known("hosts_sources")
    return [str(source) for source in sources] if isinstance(sources, list) else []


def _to_libc(trace: Trace, *, able: bool) -> list[Fix]:
    if able:
        return [system_files.again(trace, ["GODEBUG=netdns=cgo"], "Have it use the C library's resolver.")]
    return [Fix("Build it with cgo, and without -tags netgo: CGO_ENABLED=1 go build."), _into_hosts()]


def _into_hosts() -> Fix:
    return Fix("Or have the name in /etc/hosts or in a name server, which each resolver reads.")


def _to_go(trace: Trace, seeker: Seeker, source: str) -> list[Fix]:
    package = system_files.module_package(source)
    ways = [system_files.again(trace, ["GODEBUG=netdns=go"], "Have it use Go's resolver.")]
    ways += system_files.install(trace, seeker, [package], f"Or install the module for {source}")
    return [*ways, Fix(f"Or take {source} out of the line hosts: in /etc/nsswitch.conf.")]


def _listed(words: list[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
