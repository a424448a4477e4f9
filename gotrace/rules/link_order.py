"""GT208: an archive stands on the link's command line before the one that needs it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, fixes, linking, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.linking import Archive
from gotrace.trace.model import Span, Trace


class _TooEarly(NamedTuple):
    """`definer` is searched before `user`, and not once more after it."""

    symbol: str
    definer: Archive
    user: Archive
    words: Words


class LinkOrder(Rule):
    """An archive was given to the linker before the one that needs it, and so is of no use.

    What it detects
    ---------------
    A link failed, and the linker names a symbol that one archive on its command line defines and a later one needs.
    Both were read when the link had ended, so it is known and not guessed which archive has the symbol.

    Why it happens
    --------------
    ld reads from left to right, and takes from an archive only the objects that something before it wants. With
    `-lb -la`, where liba.a uses libb.a, nothing wants libb.a yet when it is read, and it is not read again. Shared
    libraries do not care; so a link may fail only once it is static.

    How to fix it
    -------------
    Name the user first: `#cgo LDFLAGS: -la -lb`. Archives that need each other are given twice (`-la -lb -la`) or
    between -Wl,--start-group and -Wl,--end-group. pkg-config --static --libs knows the order of what a library needs.
    For one command, CGO_LDFLAGS puts the archive at the end once more.

    References
    ----------
    - https://sourceware.org/binutils/docs/ld/Options.html (-l, --start-group)
    - go doc cmd/cgo (#cgo LDFLAGS)
    """

    code = "GT208"
    name = "link-order"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler", "missing-library")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each pair of archives of a link."""
        for linker in linking.failed_links(trace):
            pairs: dict[tuple[str, str], list[_TooEarly]] = {}
            for one in _too_early(trace, linker):
                pairs.setdefault((one.definer.path, one.user.path), []).append(one)
            for found in pairs.values():
                yield self._finding(trace, linker, found)

    def _finding(self, trace: Trace, linker: Span, found: list[_TooEarly]) -> Finding:
        first = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        message = (
            f"{first.definer.argument} stands before {first.user.argument} in the link, but {first.user.path} needs "
            f"{first.symbol}{more} of {first.definer.path}, and the linker reads each archive once, from left to right."
        )
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=message,
            span=linker,
            evidence=evidence.of(
                evidence.quoted(first.words), linker.exit, *_facts(trace, linker, first.definer, first.user)
            ),
            fix=_fixes(trace, linker, first),
            explains=steps.driver_keys(linker) | {f"flag:{first.definer.argument}"},
        )


def _too_early(trace: Trace, linker: Span) -> Iterator[_TooEarly]:
    archives = [one for one in linking.archives(trace, linker) if one.path.endswith(".a") and one.positions]
    for symbol, words in linking.undefined(linker).items():
        definers = [one for one in archives if symbol in one.defines]
        for user in archives:
            # Of several archives with the symbol any one after its user would have done.
            if symbol in user.needs and definers and all(one.positions[-1] < user.positions[0] for one in definers):
                yield _TooEarly(symbol, definers[0], user, words)


def _facts(trace: Trace, linker: Span, *archives: Archive) -> Iterator[Fact]:
    paths = {archive.path for archive in archives}
    for fact in trace.facts_of("archive"):
        if fact.data.get("pid") == linker.process.pid and fact.subject in paths:
            yield fact


def _fixes(trace: Trace, linker: Span, found: _TooEarly) -> list[Fix]:
    user, definer, build = found.user.argument, found.definer.argument, linker.build
    old = (build.env.get("CGO_LDFLAGS") if build is not None else None) or "-O2 -g"
    again = shlex.join(linking.search_path_of(found.definer))
    return [
        Fix(f"In #cgo LDFLAGS, name {user} before {definer}; if each needs the other, {definer} once more after it."),
        Fix(
            f"Or, without a change of the source, name {definer} once more at the end.",
            fixes.rerun(trace, build, {"CGO_LDFLAGS": f"{old} {again}"}),
        ),
    ]
