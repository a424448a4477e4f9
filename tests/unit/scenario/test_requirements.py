"""What a scenario requires: found or not, and by which package it would come."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gotrace.host.distribution import Distribution
from gotrace.scenario import requirements
from gotrace.scenario.requirements import Requirement, install_command, missing_of, package_of, to_install


@pytest.fixture(autouse=True)
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "distribution", lambda: Distribution("debian", "12", "bookworm"))


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_what_is_here_is_not_missing(empty_path: Path) -> None:
    tool, text = empty_path / "musl-gcc", empty_path / "some.h"
    tool.touch(0o755)
    text.touch()
    assert missing_of(["musl-gcc", str(text)]) == []


def test_a_command_that_is_missing_names_its_package(empty_path: Path) -> None:
    (empty_path / "musl-gcc").touch(0o644)  # not executable
    assert missing_of(["musl-gcc", "aarch64-linux-gnu-gcc", "musl-gcc"]) == [
        Requirement("musl-gcc", "apt-get install musl-tools", "musl-tools"),
        Requirement("aarch64-linux-gnu-gcc", "apt-get install gcc-aarch64-linux-gnu", "gcc-aarch64-linux-gnu"),
    ]


@pytest.mark.usefixtures("empty_path")
def test_what_no_data_knows_gets_no_package() -> None:
    (command, file) = missing_of(["frobnicate", "/usr/lib/frobnicate/frob.so"])
    assert command == Requirement("frobnicate", "have a command frobnicate on PATH")
    assert file == Requirement("/usr/lib/frobnicate/frob.so", "have the file /usr/lib/frobnicate/frob.so")


@pytest.mark.usefixtures("empty_path")
def test_go_and_zig_come_from_elsewhere() -> None:
    go, zig = missing_of(["go", "zig"])
    assert (go.package, zig.package) == ("", "")
    assert "https://go.dev/" in go.how
    assert "https://ziglang.org/" in zig.how


@pytest.mark.parametrize("version", [0, 7])
def test_what_the_kernel_has_to_have(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    known = {"kernel:landlock": (lambda: version, "boot a kernel with Landlock")}
    monkeypatch.setattr(requirements, "_OF_THE_KERNEL", known)
    lacks = [] if version else [Requirement("kernel:landlock", "boot a kernel with Landlock")]
    assert missing_of(["kernel:landlock"]) == lacks
    assert to_install(lacks) == []


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("/usr/include/zlib.h", "zlib1g-dev"),
        ("/usr/include/linux/perf_event.h", "linux-libc-dev"),
        ("/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev"),
        ("/usr/lib/x86_64-linux-gnu/libz.so", "zlib1g-dev"),
        ("/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc", "zlib1g-dev"),
        ("/usr/bin/musl-gcc", "musl-tools"),
        ("/usr/include/no-such-header.h", ""),
        ("/opt/tools/musl-gcc", ""),
    ],
)
def test_the_package_of_a_file(path: str, package: str) -> None:
    assert package_of(path) == package


@pytest.mark.parametrize("name", ["musl-gcc", "/usr/include/zlib.h"])
def test_another_distribution_gets_no_name_of_debians(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(requirements, "distribution", lambda: Distribution("fedora", "40"))
    assert package_of(name) == ""


def test_a_derivative_of_debian_has_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        requirements, "distribution", lambda: Distribution("linuxmint", "21", like=("ubuntu", "debian"))
    )
    assert package_of("musl-gcc") == "musl-tools"


def test_what_would_be_installed() -> None:
    missing = [
        Requirement("as", "", "binutils"),
        Requirement("go", "see there"),
        Requirement("ld", "", "binutils"),
        Requirement("gcc", "", "gcc"),
    ]
    assert to_install(missing) == ["binutils", "gcc"]


@pytest.mark.parametrize(("uid", "first"), [(0, []), (1000, ["sudo"])])
def test_the_command_that_installs(monkeypatch: pytest.MonkeyPatch, uid: int, first: list[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert install_command(["a", "b"]) == [*first, "apt-get", "install", "--yes", "--no-install-recommends", "a", "b"]
    assert install_command([]) == []


def test_every_package_in_the_data_has_a_packages_name() -> None:
    data = requirements._data()
    assert {"gcc", "musl-gcc", "debootstrap"} <= data["debian"].keys()
    assert [name for name in data["debian"].values() if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)] == []
    assert data["debian"].keys().isdisjoint(data["elsewhere"])
