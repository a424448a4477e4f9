"""Which parts of Go's standard library real programs were linked with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gotrace.elf.golinked import linked_in

_PROGRAM = """\
package main

import (
	"crypto/x509"
	"net"
	"os"
	"os/user"
	"time"
)

func main() {
	_, one := time.LoadLocation("Asia/Shanghai")
	_, two := user.Current()
	_, three := net.LookupHost("localhost")
	_, four := x509.SystemCertPool()
	if len(os.Args) > 1 {
		fallback()
	}
	println(one, two, three, four)
}
"""
_WITH = (
    '//go:build fallback\n\npackage main\n\nimport "crypto/x509"\n\nfunc fallback() { x509.SetFallbackRoots(nil) }\n'
)
_WITHOUT = "//go:build !fallback\n\npackage main\n\nfunc fallback() {}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("go is not installed; `make setup` installs it")
    folder = tmp_path_factory.mktemp("parts")
    files = {"go.mod": "module example.org/parts\n\ngo 1.21\n", "main.go": _PROGRAM, "a.go": _WITH, "b.go": _WITHOUT}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cgo", "options", "parts"),
    [
        ("0", [], set()),
        ("0", ["-tags", "timetzdata,fallback"], {"time zones", "fallback certificates"}),
        ("0", ["-tags", "timetzdata", "-ldflags", "-s -w"], {"time zones"}),
        ("1", [], {"cgo resolver", "cgo users"}),
        ("1", ["-tags", "netgo,osusergo"], set()),
        ("1", ["-tags", "osusergo", "-buildmode=pie", "-ldflags", "-s -w"], {"cgo resolver"}),
    ],
)
def test_parts_are_told_by_the_functions_that_are_there(
    folder: Path, cgo: str, options: list[str], parts: set[str]
) -> None:
    env = {**os.environ, "CGO_ENABLED": cgo, "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", "app", *options, "."], cwd=folder, env=env, check=True)
    assert set(linked_in(folder / "app") or ()) == parts


def test_what_no_go_made_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    for path in ("/bin/true", tmp_path, tmp_path / "empty", tmp_path / "fifo", tmp_path / "nothing"):
        assert linked_in(path) is None
