"""GT216: a library that was made for a newer C or C++ library than the one it is linked with."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, linking, musl, steps, symbol_versions
from gotrace.rules.base import Rule
from gotrace.rules.evidence import Words
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.symbol_versions import Introduced
from gotrace.trace.model import Span, Trace

_VERSION = r"@+(?P<version>(?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)"
_OF_SHARED = re.compile(
    rf"(?P<path>\S+\.so[.\d]*)\s?[:：][^`'\"‘“]*[`'\"‘“«»„「]\s?(?P<name>[^@\n]+?){_VERSION}"
    rf"|undefined (?:reference|symbol)[^:]*: (?P<of_lld>[^@\n]+?){_VERSION.replace('version', 'lld_version')}"
)
"""`./liba.so: undefined reference to `pthread_create@GLIBC_2.34'`: names and versions are the same in each language.
lld names the library in a line of its own: `>>> referenced by ./liba.so`."""
_REFERENCED = re.compile(r"referenced by (?P<path>\S+\.so[.\d]*)")
_CPP_LIBRARY = re.compile(r"-l(?:stdc\+\+|:libstdc\+\+\..*)|.*/libstdc\+\+\.(?:so|a)[.\d]*")
_OF_ZIG = re.compile(r"(-target \S+-linux-gnu\w*\.)2\.\d+(?=\s|$)")
_OF_MODULES = re.compile(r"/pkg/mod/|/vendor/")


@dataclass
class _Newer:
    """A library of which some names are too new, each with the linker's line."""

    path: str
    names: dict[str, tuple[Introduced, Words]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    sure: bool = True

    def latest(self) -> list[tuple[str, Introduced]]:
        """The name that asks for the latest glibc, and the one for the latest C++ library, where there are such."""
        found = []
        for of_glibc in (True, False):
            some = [(name, one) for name, (one, _) in self.names.items() if one.of_glibc is of_glibc]
            # The shortest of equals: C++ has names as long as a page.
            found += [max(some, key=lambda pair: (pair[1].order, -len(pair[0])))] if some else []
        return found


class LibraryNewerThanLibc(Rule):
    """A library was made for a newer C or C++ library than the one that the build links with.

    What it detects
    ---------------
    A link failed, and what is undefined are symbols of glibc or of GCC's C++ library that came with a release after
    2012. Either a shared library asks for a version by name (pthread_create@GLIBC_2.34), or an archive needs a name
    that older releases do not have (__isoc23_strtol, std::__throw_bad_array_new_length()). Which release brought a
    name is looked up in data made from the libraries' own lists of symbols. For names in C it was read in the archive
    when the link had ended that it needs them; for names in C++ the confidence is 0.8.

    Why it happens
    --------------
    glibc and libstdc++ keep old names working, but a program that was compiled with new ones needs them: headers turn
    strtol into __isoc23_strtol since glibc 2.38, and pthread_create got a new version in 2.34. So a library runs, and
    links, on the release it was built on and on later ones. Prebuilt archives in Go modules, and libraries copied from
    a newer machine, are where this shows; more so in a build container with an old distribution.

    How to fix it
    -------------
    Build the library on the oldest system it has to work on, which may be this one; or take an older release of it.
    Or build the program on a distribution that has the newer library: it then needs that one at run time as well. Zig
    links for any glibc: `-target x86_64-linux-gnu.2.34`.

    References
    ----------
    - https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html
    - https://sourceware.org/glibc/wiki/FAQ (What is symbol versioning good for?)
    - https://github.com/marcboeker/go-duckdb/issues/58, https://github.com/marcboeker/go-duckdb/issues/207
    """

    code = "GT216"
    name = "library-newer-than-libc"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.STDERR_TEXT})
    consequence_of = ("wrong-target-compiler", "missing-library", "cpp-runtime-missing")

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library."""
        for linker in steps.broken(trace, Role.LD, Role.CC):
            if musl.compiles_for(linker):
                continue  # names of glibc are not older there, but absent
            found = _shared(linker)
            if linker.role is Role.LD:
                found += _archived(trace, linker)
            for newer in found:
                yield self._finding(trace, linker, newer)

    def _finding(self, trace: Trace, linker: Span, newer: _Newer) -> Finding:
        latest = newer.latest()
        lines: list[Event | None] = [evidence.quoted(newer.names[name][1]) for name, _ in latest]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(newer, latest),
            span=linker,
            evidence=evidence.of(*lines, linker.exit, *newer.facts),
            fix=[*_raise_target(trace, linker, latest), *_fixes(newer.path, [one for _, one in latest])],
            confidence=1.0 if newer.sure else 0.8,
            explains=steps.driver_keys(linker) | {f"flag:{linking.argument_of(linker, newer.path)}"},
        )


def _shared(linker: Span) -> list[_Newer]:
    """Shared libraries that ask for versions by name. One that lacks old versions too is linked with another libc."""
    found: dict[str, _Newer] = {}
    others = set()
    referenced = evidence.said(linker, _REFERENCED)
    for words in evidence.all_said([linker], _OF_SHARED):
        told = words.found
        path = told["path"] or (referenced.found["path"] if referenced is not None else "")
        introduced = symbol_versions.of_version(told["version"] or told["lld_version"])
        if introduced is None or not path:
            others.add(path)
            continue
        name = f"{told['name'] or told['of_lld']}@{introduced.version}"
        found.setdefault(path, _Newer(path)).names[name] = (introduced, words)
    return [newer for path, newer in found.items() if path not in others]


def _archived(trace: Trace, linker: Span) -> list[_Newer]:
    """Archives that need names which older libraries do not have. The C++ library has to be there, though older."""
    with_cpp = any(_CPP_LIBRARY.fullmatch(word) for word in linker.argv)
    archives = [one for one in linking.archives(trace, linker) if not linking.is_of_the_link(one.path)]
    defined = {name for one in archives for name in one.defines}
    found: dict[str, _Newer] = {}
    for name, words in linking.undefined(linker).items():
        introduced = symbol_versions.since(name)
        if introduced is None or name in defined or not (introduced.of_glibc or with_cpp):
            continue
        exact = next((one for one in archives if name in one.needs), None)
        user = exact or next((one for one in archives if one.cplusplus and not introduced.of_glibc), None)
        if user is not None:
            newer = found.setdefault(user.path, _Newer(user.path, facts=_facts(trace, linker, user.path)))
            newer.names[name] = (introduced, words)
            newer.sure = newer.sure and exact is not None
    return [*found.values()]


def _facts(trace: Trace, linker: Span, path: str) -> list[Fact]:
    facts = trace.facts_for("archive", linker.process.pid)
    return [fact for fact in facts if fact.subject == path]


def _message(newer: _Newer, latest: list[tuple[str, Introduced]]) -> str:
    libraries = " and ".join(f"{one.library} or newer" for _, one in latest)
    names = " and ".join(name for name, _ in latest)
    more = len(newer.names) - len(latest)
    others = f" and {more} more" if more else ""
    needs = "which the one" if len(latest) == 1 else "which those"
    has = "does" if len(latest) == 1 else "do"
    return (
        f"{newer.path} was made for {libraries}: it needs {names}{others}, {needs} that this build links with {has} "
        "not have."
    )


def _raise_target(trace: Trace, linker: Span, latest: list[tuple[str, Introduced]]) -> list[Fix]:
    """Zig links for the glibc that its target names: `-target x86_64-linux-gnu.2.31`."""
    build, needed = linker.build, latest[0][1]
    chosen = {name: build.env[name] for name in ("CC", "CXX") if name in build.env} if build is not None else {}
    raised = {name: _OF_ZIG.sub(rf"\g<1>{needed.release}", words) for name, words in chosen.items()}
    if build is None or raised == chosen or not needed.of_glibc:
        return []
    text = f"Build for glibc {needed.release}. The program then needs a system with that one or a newer one to run on."
    return [fixes.corrected(trace, build, raised, text)]


def _fixes(path: str, needed: list[Introduced]) -> list[Fix]:
    name = posixpath.basename(path)
    module = " (another release of the module that ships it may have one)" if _OF_MODULES.search(path) else ""
    libraries = " and ".join(one.library for one in needed)
    having = symbol_versions.distributions_with(*needed)
    such = f", such as {' or '.join(having)}" if having else ""
    return [
        Fix(f"Build {name} on this system, or take one that was built on a system no newer than this one{module}."),
        Fix(
            f"Or build on a system with {libraries} or newer{such}. The program, unless it is linked statically, then "
            "needs as new a system to run on."
        ),
    ]
