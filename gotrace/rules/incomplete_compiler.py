"""GT105: the compiler driver is there, and a program that it needs is not."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.events.model import Event
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, goline, parts, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.parts import LackedPart
from gotrace.trace.model import Trace

_WHAT = {
    "cc1": "its C compiler proper",
    "cc1plus": "its C++ compiler proper",
    "f951": "its Fortran compiler proper",
    "lto1": "its compiler for link-time optimization",
    "collect2": "which runs the linker for it",
}
_WHAT_ROLE = {Role.AS: "the assembler", Role.LD: "the linker"}


class IncompleteCompiler(Rule):
    """The compiler driver (gcc) runs, but cc1, the assembler or the linker that it needs is missing.

    What it detects
    ---------------
    A compiler driver failed, and before that it executed a part of itself (cc1, cc1plus, as, collect2) in folder after
    folder, and each exec was refused; or collect2 looked for the linker in all folders of PATH and started none. A
    part that a later folder of PATH has leaves refused execs too, and is no finding.

    Why it happens
    --------------
    gcc only drives: cc1 compiles, as assembles, collect2 and ld link. An image made smaller by hand lacks some of
    them; cc1plus is in the package of the C++ compiler; as and ld are in binutils. They are found by PATH, so a
    compiler that CC names by its path finds no assembler where PATH lacks its folder. -fuse-ld=gold wants ld.gold,
    though collect2 says `cannot find 'ld'`: Go before 1.26.3 gives this option itself on arm64, and recent binutils
    have no gold.

    How to fix it
    -------------
    Install the package of the missing part anew: `apt-get install --reinstall cpp-12` for cc1, `binutils` for as and
    ld. For -fuse-ld=gold: install gold, or choose the linker that is there by -ldflags=-extldflags=-fuse-ld=bfd.
    Package names are Debian 12's, of its index of 2026-07-11.

    References
    ----------
    - https://gcc.gnu.org/onlinedocs/gcc/Overall-Options.html
    - https://gcc.gnu.org/onlinedocs/gccint/Collect2.html
    - https://go.dev/issue/22040, https://github.com/flathub/org.freedesktop.Sdk.Extension.golang/issues/138
    """

    code = "GT105"
    name = "incomplete-compiler"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each part that a build lacks, however many packages need it."""
        seen: dict[tuple[int, str, str], Finding] = {}
        for part in parts.lacked(trace):
            keys = steps.driver_keys(part.seeker)
            package = steps.package(part.seeker)
            keys |= {f"package:{package}"} if package else set()
            place = (id(part.seeker.build), part.driver.exec.path, part.name)
            if place in seen:
                seen[place].explains |= keys
            else:
                seen[place] = self._finding(trace, part, keys)
        yield from seen.values()

    def _finding(self, trace: Trace, part: LackedPart, keys: frozenset[str]) -> Finding:
        package = steps.package(part.seeker)
        needed_by = f" (package {package})" if package else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(part)}{needed_by}.",
            span=part.seeker,
            evidence=evidence.of(*_events(part)),
            fix=_fixes(trace, part),
            explains=keys,
        )


def _events(part: LackedPart) -> list[Event | None]:
    own = [call for call in part.asked if "/gcc" in call.paths[0]] if part.attempts else part.asked
    tries = evidence.sample(part.attempts, 2)
    return [*evidence.sample(own, 4 - len(tries)), *tries, evidence.quoted(part.words), part.seeker.exit]


def _what_is_wrong(part: LackedPart) -> str:
    name, driver = part.name, part.driver.exec.path
    what = _WHAT.get(name) or _WHAT_ROLE.get(part.role)
    described = f"{name} ({what})" if what else name
    if part.refused is not None:
        return f"The compiler {driver} needs {described}, and {part.refused} is there but cannot be executed"
    if part.chosen:
        return f"{part.option} asks {driver} for the linker {name}, and there is none in PATH"
    count = len(part.searched)
    path = f"any of the {count} folders of PATH" if count > 1 else "PATH"
    return f"The compiler {driver} is there, but {described} is neither in its own folders nor in {path}"


def _fixes(trace: Trace, part: LackedPart) -> list[Fix]:
    if part.refused is not None:
        command = fixes.as_root(trace, part.refused, ("chmod", "a+x", part.refused))
        may_not = any("access" in call.syscall and call.paths[0].endswith(part.name) for call in part.asked)
        return [Fix(f"Let {part.refused} be executed.", command if may_not else None)]
    if part.chosen:
        return _another_linker(trace, part)
    folder = posixpath.dirname(part.driver.exec.path)
    build = part.seeker.build
    if build is not None and part.role in _WHAT_ROLE and part.searched and folder not in part.searched:
        return [fixes.widen_path(trace, build, part.driver.exec.path, {})]
    return [
        _install(trace, part) or Fix(f"Install the package that holds {part.name}: {part.driver.exec.path} needs it.")
    ]


def _install(trace: Trace, part: LackedPart) -> Fix | None:
    """Anew, because the package is there as a rule, and only its file is gone."""
    names = parts.packages_of(part)
    command = fixes.installs(trace, names)
    if command is None:
        return None
    verb = command.index("install") + 1
    text = f"Install {part.name} anew, with {' and '.join(names)}{fixes.according_to(trace)}."
    return Fix(text, (*command[:verb], "--reinstall", *command[verb:]))


def _another_linker(trace: Trace, part: LackedPart) -> list[Fix]:
    build = part.seeker.build
    text = f"Link with the linker that is there (GNU ld) instead of {part.name}."
    if build is None:
        return [Fix(text)]
    replaced = goline.with_word_replaced(trace, build, part.option, "-fuse-ld=bfd")
    if replaced is None and not any(flag.lstrip("-").startswith("ldflags") for flag in build.flags):
        replaced = goline.with_flag(trace, build, "ldflags", "-extldflags=-fuse-ld=bfd")
    if replaced is None:
        text += f" {part.option} is in #cgo LDFLAGS, or Go gives it itself: add -fuse-ld=bfd to -extldflags."
    install = _install(trace, part)
    return [Fix(text, replaced), *([install] if install is not None else [])]
