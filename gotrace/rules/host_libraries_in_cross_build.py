"""GT108: a cross build that was sent to this machine's own libraries."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.events.quoted import split_quoted
from gotrace.rules import evidence, fixes, libraries, packages, pkg_config, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.libraries import LackedLibrary
from gotrace.trace.model import Build, Span, Trace

_OF_THE_HOST = re.compile(r"(/usr(/local)?)?/lib(32|64|x32)?(/[\w.]+-linux-\w+)?")
"""Folders of the machine's own libraries; /usr/aarch64-linux-gnu/lib is one of a cross compiler."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What sent the linker to a folder of the host."""

    folder: str
    how: str
    """In words: pkg-config, a variable, a #cgo line."""
    asked: Span | None = None
    """The run of pkg-config that answered with that folder."""
    answer: Fact | None = None
    variable: str | None = None


class HostLibrariesInCrossBuild(Rule):
    """A cross build links, and was sent to the libraries of the machine that it runs on.

    What it detects
    ---------------
    A link in a cross build failed: the linker left out a library because it is for the host's machine, not for the
    target's. And the folder in which it lies came from a pkg-config that knows only the host, or from CGO_LDFLAGS, or
    is one of the host's own folders, such as /usr/lib/x86_64-linux-gnu, that a #cgo line names. A library that a
    project brings along in a folder of its own is missing-library's matter. Where the Go package comes from the build
    cache, pkg-config does not run again, and what it answered is not seen: then only missing-library is named.

    Why it happens
    --------------
    pkg-config is not told of GOARCH: it answers for the machine it runs on, successfully, and the failure comes only
    from the linker (`skipping incompatible`, then `cannot find -lNAME`). The same with a folder of the host in
    CGO_LDFLAGS that was right for the native build. The C compiler is the right one; its search path is not.

    How to fix it
    -------------
    Install the library for the target: on Debian, `dpkg --add-architecture arm64` and `apt-get install
    libfoo-dev:arm64`. Have pkg-config look there and nowhere else:
    PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig, or PKG_CONFIG=aarch64-linux-gnu-pkg-config. Drop -L of the
    host's folders, or let it count for one target alone: `#cgo linux,amd64 LDFLAGS: -L...`.

    References
    ----------
    - go doc cmd/cgo (#cgo pkg-config, #cgo LDFLAGS with build constraints)
    - pkg-config(1) (PKG_CONFIG_LIBDIR, PKG_CONFIG_SYSROOT_DIR)
    - https://wiki.debian.org/Multiarch/HOWTO
    - https://sourceware.org/binutils/docs/ld/Options.html (-L)
    """

    code = "GT108"
    name = "host-libraries-in-cross-build"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each folder of the host that a build was sent to, with all libraries that it concerns."""
        seen: dict[tuple[int, str], Finding] = {}
        for library in libraries.lacked(trace):
            build = library.linker.build
            if build is None or not targets.crosses(build):
                continue
            path = _hosts_file(trace, library, build)
            sender = _sender(trace, library, build, posixpath.dirname(path)) if path else None
            if path is None or sender is None:
                continue
            place = (id(build), sender.folder)
            if place in seen:
                seen[place].explains |= {f"library:{library.name}"}
            else:
                seen[place] = self._finding(trace, library, build, path, sender)
        yield from seen.values()

    def _finding(self, trace: Trace, library: LackedLibrary, build: Build, path: str, sender: Sender) -> Finding:
        package = steps.package(library.linker)
        in_package = f" (package {package})" if package else ""
        host, wanted = targets.host(build), targets.target(build)
        name = library.name if library.by_path else f"-l{library.name}"
        proof: list[Event | None] = [
            sender.asked.exec if sender.asked is not None else None,
            sender.answer,
            *(evidence.quoted(words) for words in library.incompatible[:1]),
            evidence.quoted(library.words),
            library.linker.exit,
        ]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"The build is for {wanted}, but {sender.how} {sender.folder}, where {posixpath.basename(path)} is "
            f"for {host}: the linker has nothing for {name}{in_package}.",
            span=library.linker,
            evidence=evidence.of(*proof),
            fix=_fixes(trace, library, build, sender),
            explains=frozenset({f"library:{library.name}"}),
        )


def _hosts_file(trace: Trace, library: LackedLibrary, build: Build) -> str | None:
    """The file that the linker refused, if it is known to be for the machine that the build runs on."""
    refused, host = library.name if library.by_path else library.refused_file, targets.host(build)
    if refused is None or host is None:
        return None
    for file in libraries.files_of(trace, library):
        of_host = not file.fits and file.machine is not None and targets.runs(file.machine, host)
        if of_host and posixpath.basename(file.path) == posixpath.basename(refused):
            return posixpath.normpath(refused)
    return None


def _sender(trace: Trace, library: LackedLibrary, build: Build, folder: str) -> Sender | None:
    answer = _answer(trace, build, library, folder)
    if answer is not None:
        asked, fact = answer
        names = " ".join(pkg_config.names(asked))
        return Sender(folder, f"pkg-config answers for this machine: for {names} it names", asked, fact)
    for word in split_quoted(build.env.get("CGO_LDFLAGS", "")):
        if _leads_to(word, folder, library):
            return Sender(folder, "CGO_LDFLAGS names", variable="CGO_LDFLAGS")
    told = any(_leads_to(word, folder, library) for word in library.linker.argv)
    if told and _OF_THE_HOST.fullmatch(folder) and not _made_for_target(folder, build):
        return Sender(folder, "a #cgo line names")
    return None


def _answer(trace: Trace, build: Build, library: LackedLibrary, folder: str) -> tuple[Span, Fact] | None:
    """A run of pkg-config that answered with this folder, without having been told of the target."""
    by_pid = {fact.pid: fact for fact in trace.facts_of("pkgconfig_libs")}
    by_question = {fact.subject: fact for fact in by_pid.values()}
    for span in pkg_config.answered(build):
        fact = by_pid.get(span.process.pid) or by_question.get(" ".join(span.argv[1:]))
        flags = [str(word) for word in (fact.data.get("flags") or [])] if fact is not None else []
        if fact is not None and any(_leads_to(word, folder, library) for word in flags):
            return (span, fact) if pkg_config.knows_only_the_host(span) else None
    return None


def _leads_to(word: str, folder: str, library: LackedLibrary) -> bool:
    if library.by_path and posixpath.normpath(word) == posixpath.normpath(library.name):
        return True
    return word.startswith("-L") and len(word) > 2 and posixpath.normpath(word[2:]) == folder


def _made_for_target(folder: str, build: Build) -> bool:
    triple, wanted = pkg_config.triple_of_folder(folder), targets.target(build)
    return triple is not None and wanted is not None and targets.fits(triple, wanted)


def _fixes(trace: Trace, library: LackedLibrary, build: Build, sender: Sender) -> list[Fix]:
    found: list[Fix] = []
    wanted = targets.target(build)
    known = packages.packages_of_library(library.name) if wanted is not None and wanted.goos == "linux" else ()
    for name in pkg_config.names(sender.asked) if sender.asked is not None and not known else ():
        known = known or packages.packages_of_pkg_config(name)
    install = fixes.build_package(trace, build, known, f"Install the library for {wanted}")
    found += [install] if install is not None else []
    if sender.asked is not None:
        of_target = pkg_config.for_target(trace, build)
        text = f"Have pkg-config look where the .pc files for {wanted} are, by PKG_CONFIG_LIBDIR."
        return [*found, of_target or Fix(text)]
    if sender.variable is not None:
        words = split_quoted(build.env.get(sender.variable, ""))
        kept = " ".join(shlex.quote(word) for word in words if not _leads_to(word, sender.folder, library))
        text = f"Drop -L{sender.folder} from {sender.variable}, or name the folder of the libraries for {wanted}."
        return [*found, fixes.corrected(trace, build, {sender.variable: kept}, text)]
    host = targets.host(build)
    constraint = f"{host.goos},{host.goarch}" if host is not None else "amd64"
    text = f"Drop -L{sender.folder}: the linker searches it by itself, or let it count for this machine alone"
    return [*found, Fix(f"{text}: `#cgo {constraint} LDFLAGS: -L{sender.folder}`.")]
