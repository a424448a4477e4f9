"""Compilers and helpers found in PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.host import toolchain
from gotrace.host.toolchain import checks, compilers_in


def script(path: Path, text: str = "") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_one_compiler_under_two_names_is_named_once(tmp_path: Path) -> None:
    gcc = script(tmp_path / "bin" / "gcc")
    (tmp_path / "bin" / "cc").symlink_to(gcc)
    cross = script(tmp_path / "cross" / "aarch64-linux-gnu-gcc")
    script(tmp_path / "cross" / "aarch64-linux-gnu-gcc-ar")
    (tmp_path / "cross" / "arm-linux-gnueabihf-gcc").write_text("not executable")
    assert list(compilers_in(f"{tmp_path / 'bin'}:{tmp_path / 'cross'}")) == [gcc, cross]


def test_compilers_are_asked_for_their_targets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tmp_path / "bin" / "gcc", 'test "$*" = -dumpmachine && echo riscv64-linux-gnu')
    script(tmp_path / "bin" / "clang", "exit 4")
    script(tmp_path / "bin" / "go", "echo go version go1.99 plan9/mips")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    found = {check.detail: check.ok for check in checks()}
    assert found[f"{tmp_path}/bin/gcc: riscv64-linux-gnu"] is True
    assert found[f"{tmp_path}/bin/clang: does not say its target: exit status 4"] is False
    assert found[f"{tmp_path}/bin/go: go1.99 plan9/mips"] is True


def test_what_is_not_there_comes_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "package_command", lambda names: f"install {names['debian']}")
    remedies = {check.name: check.remedy for check in checks()}
    assert remedies == {
        "go": "install golang-go",
        "C compiler": "install gcc libc6-dev",
        "pkg-config": "install pkg-config",
    }


def test_a_go_that_does_not_answer_says_why_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tmp_path / "go", "echo 'go: cannot find GOROOT directory: /nowhere' >&2; echo more >&2; exit 2")
    monkeypatch.setenv("PATH", str(tmp_path))
    (go,) = (check for check in checks() if check.name == "go")
    assert (go.ok, bool(go.remedy)) == (False, True)
    assert go.detail == f"{tmp_path}/go does not answer `go version`: go: cannot find GOROOT directory: /nowhere"


def test_every_name_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    gcc = script(tmp_path / "bin" / "gcc")
    for name in ("g++", "aarch64-linux-gnu-g++", "arm-linux-gnueabihf-gfortran"):
        (tmp_path / "bin" / name).symlink_to(gcc)
    script(tmp_path / "late" / "gcc")
    found = compilers_in(f"{tmp_path / 'bin'}:{tmp_path / 'late'}", every_name=True)
    assert [path.name for path in found] == ["gcc", "g++", "aarch64-linux-gnu-g++", "arm-linux-gnueabihf-gfortran"]
    assert [path.name for path in compilers_in(str(tmp_path / "bin"))] == ["gcc"]
