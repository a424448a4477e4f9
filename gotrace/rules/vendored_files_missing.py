"""GT117: C files of a module that `go mod vendor` left out."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, fixes, includes, packages, search_path, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.missing_target_headers import lacks_target_headers
from gotrace.trace.model import Build, Trace


class VendoredFilesMissing(Rule):
    """The vendor folder lacks C files of a module, because their folder has no Go file.

    What it detects
    ---------------
    A C compile of a package below vendor/ failed; its failing opens show a header, or a C file that is included, which
    was found nowhere and which the package includes as its own: in quotes, or by an -I into vendor/.

    Why it happens
    --------------
    `go mod vendor` copies the folders of the packages that a build imports, and nothing else. A folder such as
    include/ or src/ without any Go file is no package, so its headers stay behind. From the module cache, where the
    whole module lies, the same build works: it breaks only once it is vendored.

    How to fix it
    -------------
    Build from the module cache: -mod=mod. For good, in the module that the header belongs to: put a Go file (package
    include, nothing else) into the folder, import it for its side effects (`import _`), and run `go mod vendor` again.

    References
    ----------
    - https://go.dev/ref/mod#go-mod-vendor
    - https://github.com/golang/go/issues/26366
    - https://github.com/pganalyze/pg_query_go/issues/125, https://github.com/goccy/go-graphviz/issues/28
    """

    code = "GT117"
    name = "vendored-files-missing"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler", "missing-target-headers")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each package that lacks a file: its compile stops at the first one."""
        seen: dict[tuple[int, str, str], Finding] = {}
        for missing in includes.missing_headers(trace):
            if lacks_target_headers(missing) or not lacks_vendored_file(missing):
                continue
            package = steps.package(missing.compiler) or ""
            keys = steps.driver_keys(missing.compiler) | {f"header:{missing.name}"}
            keys |= {f"package:{package}"} if package else set()
            place = (id(missing.compiler.build), package, missing.name)
            if place in seen:
                seen[place].explains |= keys
            else:
                seen[place] = self._finding(trace, missing, package, keys)
        yield from seen.values()

    def _finding(self, trace: Trace, missing: includes.MissingHeader, package: str, keys: frozenset[str]) -> Finding:
        includer = f", which {missing.included_at} includes," if missing.included_at else ""
        of_package = f" (package {package})" if package else ""
        absent = _absent_folder(missing)
        what = f"{_place(missing, absent)}{includer} is not there"
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{what}: `go mod vendor` leaves out folders without Go files{of_package}.",
            span=missing.compiler,
            evidence=evidence.of(
                absent, *evidence.sample(missing.calls), evidence.quoted(missing.words), missing.compiler.exit
            ),
            fix=_bring_along(trace, missing),
            confidence=1.0 if missing.words is not None else 0.8,
            explains=keys,
        )


def _place(missing: includes.MissingHeader, absent: SyscallError | None) -> str:
    """The file in the folder where it belongs, if that is known to be absent; else its name."""
    if absent is None:
        return missing.name
    path = absent.paths[0]
    return posixpath.normpath(posixpath.join(path[path.index("/vendor/") + 1 :], missing.name))


def _absent_folder(missing: includes.MissingHeader) -> SyscallError | None:
    """The compiler's look at an -I folder below vendor/ that is not there: it searches that one no more."""
    words = steps.driver(missing.compiler).argv
    told = {word.removeprefix("-I") for word in words if word.startswith("-I") and "/vendor/" in word}
    return next((call for call in missing.compiler.errors if call.paths and call.paths[0] in told), None)


def lacks_vendored_file(missing: includes.MissingHeader) -> bool:
    """The package lies below vendor/, and the header is one of its own module."""
    if search_path.hosts_folder(missing) is not None or search_path.other_root(missing) is not None:
        return False
    asked = (missing.included_at or "", missing.compiler.exec.cwd or "")
    if not any("/vendor/" in f"/{place}" for place in asked):
        return False
    told = any(word.startswith("-I") and "/vendor/" in word for word in steps.driver(missing.compiler).argv)
    return missing.quoted is not False or (told and not packages.libraries_with_header(missing.name))


def _bring_along(trace: Trace, missing: includes.MissingHeader) -> list[Fix]:
    keep = (
        "give the header's folder a Go file, import it for its side effects (import _), and run `go mod vendor` again"
    )
    return [
        _from_module_cache(trace, missing),
        Fix(f"Or, in the module that {missing.name} belongs to, {keep}."),
    ]


def _from_module_cache(trace: Trace, missing: includes.MissingHeader) -> Fix:
    build = missing.compiler.build
    drops = f"`go mod vendor` drops folders without Go files, and {missing.name} with them"
    if build is not None and _in_workspace(trace, build):
        return Fix(
            f"{drops}. Build from the module cache instead of vendor/, with -mod=readonly: in a workspace, which this "
            "is, Go refuses -mod=mod."
        )
    text = f"{drops}. Build from the module cache instead of vendor/ (-mod=mod)."
    flags = f"{build.env.get('GOFLAGS', '')} -mod=mod".strip() if build is not None else "-mod=mod"
    command = fixes.rerun(trace, build, {"GOFLAGS": flags})
    if build is None or not _says_vendor(build.span.argv):
        return Fix(text, command)
    # A flag of the command line wins over GOFLAGS.
    if not _says_vendor(command):
        return Fix(f"{text.removesuffix('.')}: put that for -mod=vendor where the go command gets it.")
    return Fix(text, _with_mod(fixes.rerun(trace, build, {})))


def _in_workspace(trace: Trace, build: Build) -> bool:
    pid = build.span.process.pid
    facts = (fact.data for fact in trace.facts_for("goenv", pid))
    return any((data.get("values") or {}).get("GOWORK") not in (None, "", "off") for data in facts)


def _says_vendor(argv: Sequence[str]) -> bool:
    return _with_mod(argv) != tuple(argv)


def _with_mod(argv: Sequence[str]) -> tuple[str, ...]:
    """A go command line with -mod=mod for its -mod=vendor, in one word or in two."""
    before = ("", *argv)
    return tuple(
        f"{word.removesuffix('vendor')}mod"
        if word in ("-mod=vendor", "--mod=vendor") or (word == "vendor" and last in ("-mod", "--mod"))
        else word
        for last, word in zip(before, argv, strict=False)
    )
