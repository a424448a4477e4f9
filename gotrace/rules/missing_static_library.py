"""GT203: the C library's own files that a link needs: libc.a of a static one, the startup objects of any."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Event, SyscallError
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, libraries, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.libraries import LackedLibrary
from gotrace.trace.model import Span, Trace

OF_THE_C_LIBRARY = frozenset({"c", "m", "pthread", "dl", "rt", "util", "resolv", "anl", "crypt"})
"""-lNAME that comes with the C library (-lcrypt did until glibc 2.28)."""
_STARTUP = re.compile(r"\w*crt[\w.]*\.o")
"""crt1.o, Scrt1.o, rcrt1.o, crti.o, crtn.o of the C library; crtbegin.o, crtend.o, crtbeginT.o of gcc."""
_OF_GCC = re.compile(r"crt(begin|end)")
_OPENING = frozenset({"open", "openat", "openat2"})


@dataclass(frozen=True, slots=True)
class _Lack:
    """What one link lacks of the C library."""

    linker: Span
    objects: tuple[str, ...]
    archives: tuple[LackedLibrary, ...]
    calls: tuple[SyscallError, ...]

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.objects, *(library.files[0] for library in self.archives))


class MissingStaticLibrary(Rule):
    """A link needs files of the C library that are not there: libc.a for -static, or the startup objects (crt1.o).

    What it detects
    ---------------
    A link failed, and the linker's failing opens show libc.a (libm.a, libpthread.a ...) in folder after folder while
    it was told -static; or they show a startup object, which the compiler had looked for in all its folders and then
    named without one.

    Why it happens
    --------------
    A static link takes archives alone; libc.so is no help. Debian has libc.a in libc6-dev, others in a package of its
    own (glibc-static), and slim images remove it. crt1.o or Scrt1.o, which calls main, comes with the C library's
    development files, as its headers do. The compiler itself is all right: a message about cc1 has another cause (see
    incomplete-compiler).

    How to fix it
    -------------
    Install the C library's development package anew (`apt-get install --reinstall libc6-dev`), or link dynamically,
    without -static. Where nothing in the program needs C, CGO_ENABLED=0 gives a static program without any of it.
    Package names are Debian 12's, of its index of 2026-07-11.

    References
    ----------
    - https://sourceware.org/binutils/docs/ld/Options.html (-static, -l)
    - https://gcc.gnu.org/onlinedocs/gcc/Link-Options.html (-static, -nostartfiles)
    - https://go.dev/issue/13470
    """

    code = "GT203"
    name = "missing-static-library"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for all that one build lacks, however many programs are linked with it."""
        seen: dict[tuple[int, tuple[str, ...]], Finding] = {}
        for lack in _lacks(trace):
            keys = steps.driver_keys(lack.linker) | {f"library:{library.name}" for library in lack.archives}
            place = (id(lack.linker.build), lack.files)
            if place in seen:
                seen[place].explains |= keys
            else:
                seen[place] = self._finding(trace, lack, keys)
        yield from seen.values()

    def _finding(self, trace: Trace, lack: _Lack, keys: frozenset[str]) -> Finding:
        package = steps.package(lack.linker)
        in_package = f" (package {package})" if package else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(lack)}{in_package}.",
            span=lack.linker,
            evidence=evidence.of(*_events(lack)),
            fix=_fixes(trace, lack),
            explains=keys,
        )


def of_the_c_library(library: LackedLibrary) -> bool:
    """An archive of the C library that a static link lacks."""
    return library.all_static and library.name in OF_THE_C_LIBRARY


def _lacks(trace: Trace) -> Iterator[_Lack]:
    archives: dict[int, list[LackedLibrary]] = {}
    for library in libraries.lacked(trace):
        if of_the_c_library(library):
            archives.setdefault(id(library.linker), []).append(library)
    for span in steps.broken(trace, Role.LD):
        calls = tuple(call for call in span.errors if _opens_startup_object(span, call))
        objects = tuple(dict.fromkeys(call.paths[0] for call in calls))
        if objects or id(span) in archives:
            yield _Lack(span, objects, tuple(archives.get(id(span), ())), calls)


def _opens_startup_object(span: Span, call: SyscallError) -> bool:
    """The linker did not find an object that its command line names without a folder, or with one."""
    if call.syscall not in _OPENING or not call.paths or errno_name(call.errno) != "ENOENT":
        return False
    return _STARTUP.fullmatch(posixpath.basename(call.paths[0])) is not None and call.paths[0] in span.argv


def _events(lack: _Lack) -> list[Event | None]:
    events: list[Event | None] = []
    if lack.objects:
        name = posixpath.basename(lack.objects[0])
        sought = [
            call for call in steps.driver(lack.linker).errors if call.paths and call.paths[0].endswith(f"/{name}")
        ]
        named = re.compile(rf"(?<![\w./]){re.escape(lack.objects[0])}(?![\w.])")
        events += [*evidence.sample(sought, 2), lack.calls[0], evidence.quoted(evidence.said(lack.linker, named))]
    if lack.archives:
        first = lack.archives[0]
        events += [*evidence.sample(first.calls, 2), evidence.quoted(first.words)]
    return [*events[:5], lack.linker.exit]


def _what_is_wrong(lack: _Lack) -> str:
    objects, archives = " and ".join(lack.objects), " and ".join(library.files[0] for library in lack.archives)
    if not lack.archives:
        whose = "gcc's" if all(_OF_GCC.match(name) for name in lack.objects) else "the C library's"
        which = f"startup object {objects}" if len(lack.objects) == 1 else f"startup objects {objects}"
        return f"The link needs {whose} {which}, which the compiler found in none of its folders"
    count = max(library.folders for library in lack.archives)
    searched = f"none of the {count} folders that the linker searched" if count > 1 else "no folder"
    also = f", {objects} neither" if objects else ""
    are = "are" if len(lack.archives) > 1 else "is"
    return (
        f"This link is static, and the C library's {archives} {are} in {searched}{also}; -static takes no shared "
        "library instead"
    )


def _fixes(trace: Trace, lack: _Lack) -> list[Fix]:
    found = [_install(trace, lack) or Fix(f"Install {' and '.join(lack.files)}: the C library's development files.")]
    if lack.archives:
        found.append(
            Fix(
                "Or link dynamically, without -static; or, where nothing in the program needs C, build with "
                "CGO_ENABLED=0, which gives a static program too."
            )
        )
    return found


def _install(trace: Trace, lack: _Lack) -> Fix | None:
    """Anew, because the package is there as a rule (the headers were found), and only its files are gone."""
    build = lack.linker.build
    toolchain = targets.toolchain_for(build) if build is not None else None
    foreign = any("/" in name or _OF_GCC.match(name) for name in lack.objects)
    command = fixes.installs(trace, [toolchain.libc_package]) if toolchain is not None and not foreign else None
    if command is None or toolchain is None:
        return None
    verb = command.index("install") + 1
    text = f"Install {' and '.join(lack.files)} anew, with {toolchain.libc_package}{fixes.according_to(trace)}."
    return Fix(text, (*command[:verb], "--reinstall", *command[verb:]))
