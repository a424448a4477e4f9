"""GT303: a library with packed relocations, which this musl does not apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import crashed, evidence, libcs, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import Files, files, name_of
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.model import Trace

_TABLES = {"init_array": "first constructor", "fini_array": "destructor"}


_SINCE = (1, 2, 4)


class RelrOnOldMusl(Rule):
    """A library has packed relocations (DT_RELR), and the musl that loaded it does not know them.

    What it detects
    ---------------
    A program with musl ended by a fault at a small address, and a library that is loaded has this very number in a
    word with a packed relocation: an offset of the file that never became an address. Mostly it is the first entry of
    .init_array, a constructor, so that the crash comes before main, or within dlopen(3).

    Why it happens
    --------------
    `-z pack-relative-relocs` (`--pack-dyn-relocs=relr` of lld) puts relocations into DT_RELR, which is smaller. musl
    applies them since 1.2.4, and an older one passes over what it does not know, without a message. glibc applies them
    since 2.36; libraries linked for it ask for the version GLIBC_ABI_DT_RELR, so that an older glibc refuses them.

    How to fix it
    -------------
    Link the library with `-Wl,-z,nopack-relative-relocs`, or run the program with musl 1.2.4 or later (Alpine 3.18 and
    later). `readelf -d` shows RELR for a library that has them. Wheels and packages named musllinux_1_1 and older are
    made for older musl.

    References
    ----------
    - https://musl.libc.org/releases.html (1.2.4: support for DT_RELR)
    - https://maskray.me/blog/2021-10-31-relative-relocations-and-relr
    - ld(1) (-z pack-relative-relocs)
    """

    code = "GT303"
    name = "relr-on-old-musl"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS, Facet.LIBRARIES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such crash."""
        for crash in crashes(trace):
            known = files(trace, crash.span)
            held = crashed.unrelocated(trace, crash, "relr")
            if held and libcs.of_process(known) == "musl" and not _knows_them(known):
                yield self._finding(crash, known, held)
        unseen_files.must_be_none(trace)

    def _finding(self, crash: Crash, known: Files, held: list[Fact]) -> Finding:
        path, span = held[0].subject, crash.span
        names = listed([name_of(fact.subject) for fact in held])
        have = "has" if len(held) == 1 else "have"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{names} {have} packed relocations (DT_RELR), which {libcs.named(known)} does not apply: "
                f"{_used(crash, held)} at {held[0].data.get('address', 0):#x}, an offset in the file and not an "
                "address. musl knows them since 1.2.4."
            ),
            span=span,
            evidence=evidence.of(crashed.opened_by(crash, path), crashed.mapped(crash, path), crash.signal, span.exit),
            fix=[
                Fix(f"Link {name_of(path)} without packed relocations: -Wl,-z,nopack-relative-relocs."),
                Fix("Or run the program with musl 1.2.4 or later (Alpine 3.18 and later)."),
                Fix(
                    "See whether a library has packed relocations: RELR in its dynamic section.",
                    ("readelf", "-d", path),
                ),
            ],
            explains=frozenset({steps.span_key(span)}),
        )


def _used(crash: Crash, held: Sequence[Fact]) -> str:
    """What was called or looked for, and of which file."""
    what, verb = _TABLES.get(str(held[0].data.get("table", "")), "function"), "was called"
    if crash.signal.ip != held[0].data.get("address"):
        what, verb = "data", "were looked for"
    return f"its {what} {verb}" if len(held) == 1 else f"the {what} of one of them {verb}"


def _knows_them(known: Files) -> bool:
    """It is a musl that applies packed relocations."""
    return libcs.numbers(libcs.version(libcs.libc(known))) >= _SINCE
