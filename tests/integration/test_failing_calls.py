"""Failing calls of a run that no rule explains: a program that is not there, a symbol, what many processes look for."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import GOTRACE
from tests.integration.projects import go_module

Tool = Callable[[str], str]

STARTS = """package main

import (
	"os"
	"os/exec"
)

func main() {
	if exec.Command("/opt/tools/convert", "a.png").Run() != nil {
		os.Exit(1)
	}
}
"""
ASKS = """
#include <dlfcn.h>
int main(int count, char **words) {
    void *library = dlopen(words[1], RTLD_NOW);
    return library ? dlsym(library, "no_such_function") ? 0 : (dlerror(), 5) : 4;
}
"""


@pytest.fixture
def run(tmp_path: Path, privileges: tuple[str, ...], backend: str) -> Callable[..., tuple[dict[str, Any], str]]:
    """Runs a command that fails: the JSON report, and the one on stderr."""

    def told(*command: str | Path) -> tuple[dict[str, Any], str]:
        report = tmp_path / "report.json"
        as_asked = ["--backend", backend, *(privileges if backend == "ebpf" else ())]
        done = subprocess.run(
            [GOTRACE, "run", "--no-color", *as_asked, "--report", f"json:{report}", "--", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"COLUMNS": "300"},
        )
        assert done.returncode not in (0, 2), done.stderr
        return json.loads(report.read_text()), done.stderr

    return told


def test_a_program_that_is_not_there(
    run: Callable[..., tuple[dict[str, Any], str]], tmp_path: Path, tool: Tool
) -> None:
    made = go_module(tmp_path / "starts", {"main.go": STARTS})
    env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    subprocess.run([tool("go"), "build", "-o", "app", "."], cwd=made, env=env, check=True)
    report, stderr = run(made / "app")
    first = report["failing_calls"][0]
    assert (first["event"], first["error"], first["relevance"]) == ("exec", "ENOENT", "not_started")
    assert '1x  execve("/opt/tools/convert", ["/opt/tools/convert", "a.png"]) = -1 ENOENT' in stderr


def test_a_symbol_that_is_not_there(run: Callable[..., tuple[dict[str, Any], str]], tmp_path: Path, tool: Tool) -> None:
    program, source = tmp_path / "asks", tmp_path / "asks.c"
    source.write_text(ASKS)
    subprocess.run([tool("gcc"), "-w", "-o", program, source, "-ldl"], check=True)
    report, stderr = run(program, "libm.so.6")
    (asked,) = [one for one in report["failing_calls"] if one["event"] == "dlsym"]
    assert "undefined symbol: no_such_function" in asked["text"]
    assert [frame["function"] for frame in asked["by"]] == ["main"]
    assert "undefined symbol: no_such_function  by main (asks)" in stderr


def test_what_many_processes_do_is_told_once(run: Callable[..., tuple[dict[str, Any], str]]) -> None:
    report, stderr = run("sh", "-c", "for n in 1 2 3 4 5 6; do ls /no/such/folder; done; exit 3")
    (looked,) = [one for one in report["failing_calls"] if "/no/such/folder" in one["text"]]
    assert (looked["processes"], looked["process"]["argv"]) == (6, ["ls", "/no/such/folder"])
    assert "  in 6 processes of ls" in stderr
