"""Fixes: the user's own command line, corrected, and the installation of packages on this system."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from gotrace.events.quoted import split_quoted
from gotrace.events.tools import LAUNCHERS, Role
from gotrace.rules import packages, systems, targets, toolchains
from gotrace.rules.finding import Fix
from gotrace.trace.model import Build, Span, Trace

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)

_TOLD_FIRST = ("CGO_ENABLED", "GOOS", "GOARCH", "CC", "CXX", "FC")
_TOLD = re.compile(
    r"CGO_\w+|GO(OS|ARCH|386|AMD64|ARM|ARM64|MIPS|MIPS64|PPC64|RISCV64|FLAGS|EXPERIMENT)|CC|CXX|FC|AR"
    r"|PKG_CONFIG\w*|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|CPATH|LIBRARY_PATH"
)
"""Variables that decide what a build does: a line to paste must repeat them, since they may have been set only once."""

_APT = ("debian", "ubuntu")


def rerun(trace: Trace, build: Build | None, settings: Mapping[str, str]) -> tuple[str, ...]:
    """The traced command with these variables set, as `env NAME=value ... COMMAND`: for a shell and for exec alike.

    Variables of the build that the user had set are repeated. Where the command is a script or a makefile that sets
    one of them by itself, that would undo the fix, or carry it to the script's other builds; then it is the line of
    the go command that is corrected.
    """
    command, folder = trace.header.argv, tuple[str, ...]()
    if build is not None and (not command or in_script(trace, build, settings)):
        command = build.span.argv or ("go", build.subcommand, *build.flags, *build.patterns)
        folder = _change_to(build.span.exec.cwd, trace.header.cwd)
    said, command = _split_env(command)
    env = build.env if build is not None else {}
    values = {name: value for name, value in env.items() if value and _TOLD.fullmatch(name)}
    values |= said | dict(settings)
    names = [*(n for n in _TOLD_FIRST if n in values), *sorted(n for n in values if n not in _TOLD_FIRST)]
    return ("env", *folder, *(f"{name}={values[name]}" for name in names), *command)


def _change_to(folder: str | None, here: str) -> tuple[str, ...]:
    """Options of env(1) that change to the folder in which a script ran the go command, if that is another one."""
    if not folder or not here or folder == here:
        return ()
    return ("-C", folder.removeprefix(here.rstrip("/") + "/"))


def sets_itself(trace: Trace, build: Build, name: str) -> bool:
    """The command (a script, a makefile) gave the go command another value of this variable than it had itself."""
    root = _root_span(trace)
    if root is None or root is build.span or root.exec.env is None or name not in build.env:
        return False
    return root.exec.env.get(name) != build.env[name] and not said_on_command_line(trace, name)


def said_on_command_line(trace: Trace, name: str) -> bool:
    """The traced command is an `env NAME=value ... COMMAND` that sets this variable."""
    return name in _split_env(trace.header.argv)[0]


def in_script(trace: Trace, build: Build, settings: Iterable[str]) -> bool:
    """The command gave the go command these or other variables of a build by itself: the fix belongs into it."""
    told = {name for name in build.env if _TOLD.fullmatch(name)}
    return any(sets_itself(trace, build, name) for name in told.union(settings))


def corrected(trace: Trace, build: Build, settings: Mapping[str, str], text: str) -> Fix:
    """A fix by other settings; `text` is a sentence. A script that sets variables itself is named as the place."""
    if in_script(trace, build, settings):
        root = _root_span(trace)
        known = trace.header.argv and root is not None and root.role is not Role.GO
        script = trace.header.argv[0] if known else "the program that runs this go command"
        text = f"{text.removesuffix('.')}; {script} sets the variables itself: change them there."
    return Fix(text, rerun(trace, build, settings))


def installs(trace: Trace, names: Sequence[str]) -> tuple[str, ...] | None:
    """The command that installs Debian packages on this system; None where that is no Debian or its kin."""
    if not names or not has_apt(trace):
        return None
    command = ("apt-get", "install", "-y", *names)
    if trace.header.host.get("package_lists") == "none" and not systems.system(trace).elsewhere:
        return (*_as_root(trace), "sh", "-c", f"apt-get update && {shlex.join(command)}")
    return (*_as_root(trace), *command)


def installs_foreign(trace: Trace, names: Sequence[str], architecture: str) -> tuple[str, ...] | None:
    """The same for packages of another architecture, which must be known to dpkg first (multiarch)."""
    if not names or not has_apt(trace):
        return None
    install_line = shlex.join(["apt-get", "install", "-y", *names])
    line = f"dpkg --add-architecture {architecture} && apt-get update && {install_line}"
    return (*_as_root(trace), "sh", "-c", line)


def install(trace: Trace, names: Sequence[str], why: str) -> Fix | None:
    """A fix that installs packages; `why` is a sentence without its full stop, such as "Install the C compiler"."""
    command = installs(trace, names)
    return None if command is None else Fix(f"{why}{according_to(trace)}.", command)


def has_apt(trace: Trace) -> bool:
    """The tools ran in a Debian, an Ubuntu or one that says it is like them."""
    return any(name in distribution(trace) for name in _APT)


def distribution(trace: Trace) -> str:
    """The name of the distribution that the tools ran in, in lower case; empty where unknown."""
    return systems.system(trace).distribution


def according_to(trace: Trace) -> str:
    """Which system a package is for, if not for this one; where its name comes from, and of when, if from another."""
    where = systems.system(trace)
    said = [f"for {where.place}, where the tools ran"] if where.elsewhere else []
    if "debian" not in where.distribution or where.version.partition(".")[0] != "12":
        said.append(f"so the package is called in Debian 12, index of {packages.provenance().date}")
    return f" ({'; '.join(said)})" if said else ""


def build_package(trace: Trace, build: Build | None, wanted: Iterable[packages.Package], why: str) -> Fix | None:
    """A fix that installs one of the packages that hold what a build lacks, for the architecture it builds for."""
    known = list(wanted)
    if not known or not has_apt(trace):
        return None
    first = known[0]
    others = "".join(f", or {package.name}" for package in known[1:4])
    text = f"{why}: {first.name}{others}{according_to(trace)}."
    foreign = _foreign_architecture(build)
    if foreign is None or first.everywhere:
        return Fix(text, installs(trace, [first.name]))
    text = f"{why}: {first.name} for {foreign}{according_to(trace)}."
    return Fix(text, installs_foreign(trace, [f"{first.name}:{foreign}"], foreign))


def use_compiler(trace: Trace, build: Build) -> list[Fix]:
    """The ways to give a build the C compiler of its target: the command with CC, and the package of that compiler.

    Where the compiler is known to be missing, its installation comes first; where it is known to be there, alone.
    """
    toolchain = targets.toolchain_for(build)
    wanted = targets.target(build)
    if toolchain is None:
        off = targets.crosses(build) and build.env.get("CGO_ENABLED") != "1"
        turn_on = "Turn cgo on with CGO_ENABLED=1 and name" if off else "Name"
        text = f"{turn_on} a C compiler that makes code for {wanted} in CC; no package with one is known"
        return [Fix(f"{text} for this system.")]
    with_cxx = uses_cxx(build)
    launcher = launcher_of(build)
    settings = {"CC": f"{launcher}{toolchain.cc}"} | ({"CXX": f"{launcher}{toolchain.cxx}"} if with_cxx else {})
    build_fix = corrected(
        trace,
        build,
        settings | _target_settings(build),
        f"Build with the compiler{'s' if with_cxx else ''} for {wanted}.",
    )
    packages_of = {toolchain.cc: toolchain.c_packages} | ({toolchain.cxx: toolchain.cxx_packages} if with_cxx else {})
    there = {name: toolchains.has(trace, name) for name in packages_of}
    missing = [name for name, known in there.items() if not known]
    needed = list(dict.fromkeys(package for name in missing for package in packages_of[name]))
    names, are, them = " and ".join(missing), *(("is", "it") if len(missing) == 1 else ("are", "them"))
    if all(there[name] is False for name in missing):
        why = f"{names} {are} not in PATH: install {them} first"
        return [*([install(trace, needed, why) or Fix(f"{why}.")] if missing else []), build_fix]
    return [build_fix, *_given(install(trace, needed, f"Where {names} {are} not installed yet, install {them} first"))]


def widen_path(trace: Trace, build: Build, compiler: str, settings: Mapping[str, str]) -> Fix:
    """A fix for a compiler that PATH does not reach. Its path in CC would not do: it finds its assembler by PATH."""
    folder, search = posixpath.dirname(compiler), build.env.get("PATH")
    text = f"Add {folder} to PATH, where {posixpath.basename(compiler)} is."
    return corrected(trace, build, {**settings, "PATH": f"{search}:{folder}"}, text) if search else Fix(text)


def forget(variable: str) -> Fix:
    """The way back from `go env -w`, whose values stay for every later build."""
    return Fix(f"Or take back what `go env -w {variable}=...` wrote.", ("go", "env", "-u", variable))


def launcher_of(build: Build) -> str:
    """ "ccache " where CC has the compiler run by a launcher, so that a fix keeps it; else empty."""
    words = split_quoted(build.env.get("CC") or build.target.cc or "")
    return f"{words[0]} " if len(words) > 1 and words[0].rpartition("/")[2] in LAUNCHERS else ""


def _given(fix: Fix | None) -> list[Fix]:
    return [] if fix is None else [fix]


def _target_settings(build: Build) -> dict[str, str]:
    """What must be said for a cross build that uses cgo: cgo is off by default there, whatever CC is."""
    wanted, here = targets.target(build), targets.host(build)
    if wanted is None or here is None or wanted == here:
        return {}
    said = {"CGO_ENABLED": "1"}
    said |= {"GOOS": wanted.goos} if wanted.goos != here.goos else {}
    return said | ({"GOARCH": wanted.goarch} if wanted.goarch != here.goarch else {})


def uses_cxx(build: Build) -> bool:
    """A C++ compiler ran in this build, or the user chose one."""
    return "CXX" in build.env or any(_is_cxx(span) for span in build.spans)


def _is_cxx(span: Span) -> bool:
    return re.search(r"(^|-)(g\+\+|c\+\+|clang\+\+)(-\d+)?$|cc1plus$", span.exec.path.rpartition("/")[2]) is not None


def _split_env(command: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The assignments of a leading `env NAME=value ...`, and the command behind them."""
    if not command or command[0].rpartition("/")[2] != "env":
        return {}, tuple(command)
    values: dict[str, str] = {}
    for position, word in enumerate(command[1:], start=1):
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment is None:
            return ({}, tuple(command)) if word.startswith("-") else (values, tuple(command[position:]))
        values[assignment[1]] = assignment[2]
    return {}, tuple(command)


def _root_span(trace: Trace) -> Span | None:
    return trace.root.spans[0] if trace.root is not None and trace.root.spans else None


def as_root(trace: Trace, path: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command as the one who may write beside `path` must run it."""
    system = path.startswith(("/usr/", "/lib", "/opt/", "/etc/"))
    return (*_as_root(trace), *command) if system else command


def privileged(trace: Trace, command: tuple[str, ...]) -> tuple[str, ...]:
    """The command as only root may run it: with sudo in front where the traced one ran as somebody else."""
    return (*_as_root(trace), *command)


def _as_root(trace: Trace) -> tuple[str, ...]:
    user, where = (trace.fact("command") or {}).get("user"), systems.system(trace)
    if user in (None, "root") or where.mount_namespace:  # in a container of one's own one is root
        return where.enter
    return ("sudo", *where.enter)


def _foreign_architecture(build: Build | None) -> str | None:
    if build is None or not targets.crosses(build):
        return None
    platform = targets.target(build)
    return targets.debian_architecture(platform, build) if platform is not None else None
