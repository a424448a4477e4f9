"""What sudo took away: found by comparing with what it was started with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gotrace.capture.sudo import found_only_in_users_path, removed_by_sudo


def test_variables_that_are_gone_or_replaced_are_named_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    for name in ("GOPROXY", "CGO_CFLAGS", "CC"):
        monkeypatch.delenv(name, raising=False)
    before = {"PATH": "/go/bin:/usr/bin", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "CC": "clang", "CGO_CFLAGS": "-g"}
    assert removed_by_sudo(before) == ["CC", "CGO_CFLAGS", "GOPROXY", "PATH"]


@pytest.mark.parametrize(
    "name",
    ["GOOS", "GO111MODULE", "CGO_ENABLED", "PKG_CONFIG_PATH", "LD_LIBRARY_PATH", "C_INCLUDE_PATH", "https_proxy"],
)
def test_variables_that_matter_to_a_build(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert removed_by_sudo({name: "1"}) == [name]


@pytest.mark.parametrize("name", ["XAUTHORITY", "GOOGLE_CLOUD_KEY", "EDITOR", "gopher", "LESS", "MYGOPATH"])
def test_variables_that_do_not(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    assert removed_by_sudo({name: "1"}) == []


def test_a_command_that_only_the_users_path_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "my-go"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    before = {"PATH": f"{tmp_path}:/usr/bin"}
    assert found_only_in_users_path("my-go", before) == str(tool)
    assert found_only_in_users_path("env", before) is None
    assert found_only_in_users_path("no-such-command", before) is None
    assert found_only_in_users_path(str(tool), before) is None
    assert found_only_in_users_path("my-go", {}) is None


def test_the_environment_that_an_ancestor_called_sudo_was_started_with(tmp_path: Path) -> None:
    fake = tmp_path / "sudo"
    shutil.copy(shutil.which("dash") or "/bin/sh", fake)
    program = "from gotrace.capture.sudo import *; print(sorted(before_sudo()), removed_by_sudo())"
    script = f"unset CC; PATH=/changed; GOOS=arm '{sys.executable}' -c '{program}'; :"
    env = {"CC": "clang", "GOOS": "linux", "HOME": "/x", "PATH": os.environ["PATH"]}
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run([str(fake), "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{sorted(env)} ['CC', 'GOOS', 'PATH']\n"
