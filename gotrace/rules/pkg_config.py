"""What pkg-config was asked in a build, for whom, and how to have it answer for another target."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gotrace.events.errno import errno_name
from gotrace.events.model import SyscallError
from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, steps, targets
from gotrace.rules.finding import Fix
from gotrace.trace.model import Build, Span, Trace

DEFAULT = "pkg-config"
"""What the go command runs where PKG_CONFIG is not set (cmd/go/internal/cfg, DefaultPkgConfig)."""
_ASKED = re.compile(r"# (?P<package>\S+)\n# \[\S*(?:pkg-config|pkgconf)\S* (?P<words>[^\n]*)\]\n")
"""How the go command heads the words of a pkg-config run that failed."""
_NOT_THERE = frozenset({"ENOENT", "ENOTDIR"})
_UNINSTALLED = "-uninstalled"
_OTHER_FOLDERS = ("PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR")
_OF_A_TARGET = re.compile(r"/usr/(?:lib/)?(?P<triple>[\w.]+(?:-[\w.]+){1,3})(?:/|$)")
"""/usr/lib/aarch64-linux-gnu (Debian's multiarch) and /usr/aarch64-linux-gnu (a cross compiler's root)."""


@dataclass(frozen=True, slots=True)
class LackedPackage:
    """A package that one run of pkg-config did not find."""

    name: str
    asked: Span
    calls: tuple[SyscallError, ...]
    """Its failing opens of NAME.pc; empty where no folder of its search path exists."""
    words: evidence.Words | None
    needed_by: str | None = None
    """The package of pkg-config that requires it, where it was not asked for by itself."""

    @property
    def folders(self) -> int:
        """In how many folders it was looked for."""
        return len({posixpath.dirname(posixpath.normpath(call.paths[0])) for call in self.calls})


def command(build: Build) -> str:
    """The program that the go command runs as pkg-config; of a value with blanks it takes the first word."""
    return next(iter(split_quoted(build.env.get("PKG_CONFIG", ""))), DEFAULT)


def names(span: Span) -> tuple[str, ...]:
    """The packages that a run was asked for: go puts them behind `--`."""
    words = list(span.argv)
    return tuple(words[words.index("--") + 1 :]) if "--" in words else ()


def package(span: Span) -> str | None:
    """The Go package whose #cgo line asked: the go command says it in front of what pkg-config wrote."""
    known = steps.package(span)
    if known is not None or span.build is None:
        return known
    wanted = list(names(span))
    for found in _ASKED.finditer(span.build.span.stderr):
        words = found["words"].split()
        if "--" in words and words[words.index("--") + 1 :] == wanted:
            return found["package"]
    return None


def lacked(trace: Trace) -> Iterator[LackedPackage]:
    """What each failed run of pkg-config did not find."""
    for span in steps.broken(trace, Role.PKG_CONFIG):
        yield from _lacked_by(span)


def answered(build: Build) -> Iterator[Span]:
    """The runs that gave the go command flags for the linker."""
    for span in build.spans:
        answers = span.exit is not None and not span.failed and not span.probe
        if span.role is Role.PKG_CONFIG and answers and "--libs" in span.argv:
            yield span


def knows_only_the_host(span: Span) -> bool:
    """Nothing told this run of another target: neither its name (aarch64-linux-gnu-pkg-config) nor a variable."""
    env = span.exec.env or {}
    own_name = posixpath.basename(span.exec.path) in (DEFAULT, "pkgconf", "pkg-config.real")
    return own_name and not any(env.get(name) for name in _OTHER_FOLDERS)


def triple_of_folder(folder: str) -> str | None:
    """The target whose files a folder of the system has, by the folder's name; None for any other folder."""
    found = _OF_A_TARGET.match(posixpath.normpath(folder))
    return found["triple"] if found is not None and "linux" in found["triple"] else None


def for_target(trace: Trace, build: Build) -> Fix | None:
    """A fix that has pkg-config look into the folders of the build's target alone; None for targets without any."""
    toolchain, wanted = targets.toolchain_for(build), targets.target(build)
    if toolchain is None or wanted is None or wanted.goos != "linux":
        return None
    triple = toolchain.cc.removesuffix("-gcc")
    folders = f"/usr/lib/{triple}/pkgconfig:/usr/share/pkgconfig"
    text = (
        f"Have pkg-config look where the files for {wanted} are, and nowhere else (put your own folder there if they "
        "are in one)."
    )
    # PKG_CONFIG_PATH is searched before, whatever PKG_CONFIG_LIBDIR says.
    emptied = {"PKG_CONFIG_PATH": ""} if build.env.get("PKG_CONFIG_PATH") else {}
    return fixes.corrected(trace, build, {"PKG_CONFIG_LIBDIR": folders, **emptied}, text)


def _lacked_by(span: Span) -> Iterator[LackedPackage]:
    calls: dict[str, list[SyscallError]] = {}
    for call in span.errors:
        if call.syscall in ("open", "openat", "openat2") and call.paths and errno_name(call.errno) in _NOT_THERE:
            file = posixpath.basename(call.paths[0])
            if file.endswith(".pc"):
                calls.setdefault(file.removesuffix(".pc"), []).append(call)
    everywhere = {_folder(call) for several in calls.values() for call in several}
    wanted = [name for name in calls if not name.endswith(_UNINSTALLED)] or list(names(span))
    for name in wanted:
        own = tuple(calls.get(name, ()))
        words = _words(span, name)
        # A package that is found fails in the folders before its own, and pkg-config has no word on it.
        if (words is None and span.output) or ({_folder(call) for call in own} != everywhere):
            continue
        if words is None and not own:
            continue
        yield LackedPackage(name, span, own, words, _needed_by(span, name))


def _folder(call: SyscallError) -> str:
    return posixpath.dirname(posixpath.normpath(call.paths[0]))


def _words(span: Span, name: str) -> evidence.Words | None:
    """The first line that names the package; neither pkg-config nor pkgconf translates its messages."""
    return evidence.said(span, re.compile(rf"(?<![\w.+/-]){re.escape(name)}(?![\w+/-]|\.\w)"))


def _needed_by(span: Span, name: str) -> str | None:
    if name in names(span):
        return None
    found = evidence.said(span, re.compile(rf"{re.escape(name)}', required by '(?P<by>[^':]+)'"))
    return found.found["by"] if found is not None else None
