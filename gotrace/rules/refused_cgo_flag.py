"""GT206: a flag on a #cgo line, or of pkg-config, that the go command does not allow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, pkg_config, steps
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Build, Trace

_REFUSED = re.compile(
    r"^(?P<package>\S+): invalid flag in "
    r"(?P<source>#cgo (?P<kind>[A-Z]+)|pkg-config --cflags|pkg-config --libs|go:cgo_ldflag): "
    r"(?P<flag>.+?)(?: without argument)?(?: \(see https://\S+\))?$"
)
"""cmd/go/internal/work/security.go; the go command speaks English whatever the locale is."""
_KINDS = {"pkg-config --cflags": "CFLAGS", "pkg-config --libs": "LDFLAGS", "go:cgo_ldflag": "LDFLAGS"}
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


class RefusedCgoFlag(Rule):
    """A flag for the C compiler or the linker is not on the go command's list of allowed ones.

    What it detects
    ---------------
    The go command failed and says `invalid flag in #cgo LDFLAGS` (or CFLAGS, or what pkg-config answered), and neither
    cgo nor, for what it says of a link, the linker was started for that package. There is no call to be seen: the go
    command compares the flag with a list of its own and stops. Its words are the only proof of which flag it is; they
    are not translated.

    Why it happens
    --------------
    Flags such as -fplugin=x.so make a compiler run code, and `go get` compiles what strangers wrote. So #cgo lines and
    .pc files may hold only flags that are known to be harmless; many harmless ones (-Wl,-T,x.ld, -x c) are not on the
    list. What CGO_CFLAGS or CGO_LDFLAGS of the environment hold is not checked.

    How to fix it
    -------------
    Allow this flag: CGO_LDFLAGS_ALLOW (CGO_CFLAGS_ALLOW, ...) is a regular expression that the whole flag must match,
    and it holds for its own kind of flags only. Who builds the package must set it, so where it is yours give the flag
    another way: by CGO_LDFLAGS, or as a pragma or attribute in the C source.

    References
    ----------
    - https://go.dev/s/invalidflag
    - go doc cmd/cgo (CGO_CFLAGS_ALLOW)
    - https://github.com/golang/go/issues/23737, https://github.com/golang/go/issues/42565
    """

    code = "GT206"
    name = "refused-cgo-flag"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each flag of each package; go names only the first of a package."""
        for build in trace.builds:
            if not build.failed:
                continue
            told: dict[tuple[str, str], Words] = {}
            for words in evidence.all_said([build.span], _REFUSED):
                told.setdefault((words.found["package"], words.found["flag"]), words)
            refused = [words for words in told.values() if not _went_on(build, words)]
            for words in refused:
                yield self._finding(trace, build, words, [other for other in refused if _kind(other) == _kind(words)])

    def _finding(self, trace: Trace, build: Build, words: Words, alike: Iterable[Words]) -> Finding:
        package, flag, source = words.found["package"], words.found["flag"], words.found["source"]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"The go command does not allow the flag {flag} in {source} of package {package}, "
            "so it did not start to build that package.",
            span=build.span,
            evidence=evidence.of(evidence.quoted(words), build.span.exit),
            fix=_fixes(trace, build, words, alike),
            confidence=0.9,
            explains=frozenset({steps.span_key(build.span), steps.build_key(build), f"package:{package}"})
            | {"pkg-config:" if source.startswith(pkg_config.DEFAULT) else f"flag:{flag}"},
        )


def _kind(words: Words) -> str:
    """CFLAGS, LDFLAGS ...: which variables hold what is allowed besides."""
    return words.found["kind"] or _KINDS[words.found["source"]]


def _went_on(build: Build, words: Words) -> bool:
    """cgo ran for the package after all (a second go command under the same one may say what the first refused)."""
    package = words.found["package"]
    return words.found["source"] != "go:cgo_ldflag" and any(
        span.role is Role.CGO and not span.probe and span.package == package and not span.failed for span in build.spans
    )


def _fixes(trace: Trace, build: Build, words: Words, alike: Iterable[Words]) -> list[Fix]:
    kind = _kind(words)
    variable = f"CGO_{kind}_ALLOW"
    flags = dict.fromkeys(word for one in alike for word in one.found["flag"].split(" "))
    allowed = [build.env[variable]] if build.env.get(variable) else []
    pattern = "|".join([*allowed, *(_SPECIAL.sub(r"\\\g<0>", flag) for flag in flags)])
    text = f"If you trust the package, allow the flag by {variable} (go names one refused flag of a package at a time)."
    return [
        fixes.corrected(trace, build, {variable: pattern}, text),
        Fix(f"Or remove it from the package and give it by CGO_{kind} in the environment, where no flag is checked."),
    ]
