"""What a Go build needs of a C compiler: target triples, the compilers that make code for them, their packages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from gotrace.trace.model import Build, Span

_TRIPLE_IN_NAME = re.compile(r"(?P<triple>[\w.]+(?:-[\w.]+){1,3})-(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|gfortran|cpp)")


@dataclass(frozen=True, slots=True)
class Platform:
    """A pair of GOOS and GOARCH, written as Go writes it: linux/arm64."""

    goos: str
    goarch: str

    def __str__(self) -> str:
        return f"{self.goos}/{self.goarch}"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compilers that make code for a platform, and the Debian packages that hold them and libc's headers."""

    cc: str
    cxx: str
    c_packages: tuple[str, ...]
    cxx_packages: tuple[str, ...]
    libc_package: str


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("gotrace.rules").joinpath("data/targets.toml").read_text(encoding="utf-8"))


def target(build: Build) -> Platform | None:
    """For what this build is, or None where that is not known."""
    goos, goarch = build.target.goos, build.target.goarch
    return Platform(goos, goarch) if goos and goarch else None


def target_of(span: Span) -> Platform | None:
    """For what this run is: the go command tells its tools in their environment. A build may build host tools too."""
    env = span.exec.env or {}
    return Platform(env["GOOS"], env["GOARCH"]) if env.get("GOOS") and env.get("GOARCH") else None


def host(build: Build) -> Platform | None:
    """On what this build ran, or None where that is not known."""
    goos, goarch = build.target.host_os, build.target.host_arch
    return Platform(goos, goarch) if goos and goarch else None


def crosses(build: Build) -> bool:
    """The build is for another platform than the one it ran on, and both are known by name."""
    return None not in (target(build), host(build)) and build.target.cross


def fits(triple: str, platform: Platform) -> bool:
    """Whether a compiler for this target triple makes code for the platform. What no table knows fits."""
    machine, _, rest = triple.lower().partition("-")
    architecture = _data()["architecture"].get(platform.goarch)
    system = _data()["system"].get(platform.goos)
    if architecture is not None and not re.fullmatch(architecture, machine):
        return False
    return system is None or re.search(system, rest) is not None


def runs(machine: str, platform: Platform) -> bool:
    """Whether code for this machine (as in a triple) can be linked for the platform. What no table knows can."""
    exact = {"amd64": "x86_64", "386": "i[3-7]86"}
    pattern = exact.get(platform.goarch) or _data()["architecture"].get(platform.goarch)
    return pattern is None or re.fullmatch(pattern, machine.lower()) is not None


def triple_of(span: Span) -> str | None:
    """The target triple of the compiler that this run is or belongs to.

    clang and zig make code for many targets and are told on the command line, which therefore goes first; then what
    the compiler said of itself; at last the name it was called by (aarch64-linux-gnu-gcc).
    """
    argv = span.argv
    for word, following in zip(argv, (*argv[1:], ""), strict=False):
        if word.startswith("--target="):
            return word.partition("=")[2] or None
        if word in ("-target", "--target") and following:
            return following
    if span.compiler is not None and span.compiler.target:
        return span.compiler.target
    return triple_in_name(span.compiler.path if span.compiler is not None else span.exec.path)


def triple_in_name(command: str) -> str | None:
    """aarch64-linux-gnu of /usr/bin/aarch64-linux-gnu-gcc-12, or None."""
    name = re.sub(r"-\d+(\.\d+)*$", "", command.rpartition("/")[2])
    found = _TRIPLE_IN_NAME.fullmatch(name)
    return found["triple"] if found else None


def native_toolchain() -> Toolchain:
    """The machine's own gcc."""
    native = _data()["native"]
    return Toolchain("gcc", "g++", (native["c"], native["libc"]), (native["cxx"],), native["libc"])


def multilib_packages(*, cxx: bool) -> tuple[str, ...]:
    """What the machine's own gcc needs for -m32."""
    return (_data()["native"]["multilib_cxx" if cxx else "multilib_c"],)


def toolchain_for(build: Build) -> Toolchain | None:
    """The compilers for a build's target; None where Debian has none."""
    wanted = target(build)
    if wanted is None:
        return None
    if wanted == host(build):
        return native_toolchain()
    soft = wanted.goarch == "arm" and _soft_float(build.env.get("GOARM", ""))
    for entry in _data()["cross"]:
        if (entry["goos"], entry["goarch"], entry.get("soft_float", False)) == (wanted.goos, wanted.goarch, soft):
            return _cross(entry)
    return None


def toolchain_of_triple(triple: str) -> Toolchain | None:
    """The compilers that Debian has for a target triple."""
    for entry in _data()["cross"]:
        if entry["prefix"] == f"{triple}-":
            return _cross(entry)
    return None


def packages_of_command(command: str) -> tuple[str, ...]:
    """The Debian packages with which a compiler of this name works; empty where none is known."""
    known: Mapping[str, list[str]] = _data()["command"]
    if command in known:
        return tuple(known[command])
    triple = triple_in_name(command)
    toolchain = toolchain_of_triple(triple) if triple else None
    if toolchain is None:
        return ()
    return {toolchain.cc: toolchain.c_packages, toolchain.cxx: toolchain.cxx_packages}.get(command, ())


def debian_architecture(platform: Platform, build: Build) -> str | None:
    """Debian's name of an architecture: armhf for arm. None where Debian has none."""
    if platform.goos != "linux":
        return None
    if platform.goarch == "arm" and _soft_float(build.env.get("GOARM", "")):
        return "armel"
    name: str | None = _data()["debian_architecture"].get(platform.goarch)
    return name


def _cross(entry: Mapping[str, Any]) -> Toolchain:
    prefix, libc = entry["prefix"], entry["libc"]
    return Toolchain(f"{prefix}gcc", f"{prefix}g++", (entry["c"], libc), (entry["cxx"], libc), libc)


def _soft_float(goarm: str) -> bool:
    """GOARM=5 and GOARM=7,softfloat: https://go.dev/wiki/MinimumRequirements#arm."""
    return goarm == "5" or goarm.endswith(",softfloat")
