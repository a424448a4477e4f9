"""missing-interpreter: the program is there, its loader is not, and execve has one error for both."""

from __future__ import annotations

from errno import EACCES, ENOENT
from typing import Any

import pytest

from tests.unit.rules.loaded import APP, GO, Refused
from tests.unit.rules.scenes import lines, proof

MUSL = "/lib/ld-musl-x86_64.so.1"
GLIBC = "/lib64/ld-linux-x86-64.so.2"


def refused(loader: str, libc: str, errno: int = ENOENT, **data: Any) -> Refused:
    run = Refused("./app", errno)
    told = {"flavour": libc, "relation": "dynamic", "version": ""}
    run.binary(APP, **({"interpreter": loader, "interpreter_there": False, "libc": told, "go": GO} | data))
    return run


def test_a_program_of_musl_on_debian() -> None:
    finding = refused(MUSL, "musl").finding("missing-interpreter")

    assert finding.message == (
        f"./app is there, but the loader that it names is not: {MUSL} (it was linked with musl). execve(2) says ENOENT "
        "for both."
    )
    assert 'execve("./app", ["./app"]) = -1 ENOENT' in proof(finding)
    assert lines(finding) == [
        "env CGO_ENABLED=0 go build -o app ex/app",
        'env CGO_ENABLED=1 CC=musl-gcc go build -ldflags -linkmode external -extldflags "-static" -o app ex/app',
        "apt-get install -y musl",
    ]


def test_a_program_of_glibc_in_an_image_without_it() -> None:
    run = refused(GLIBC, "glibc", root="/srv/image")

    finding = run.finding("missing-interpreter")

    assert "(it was linked with glibc)" in finding.message
    assert "an image with glibc" in finding.fix[-1].text
    assert not any("apt-get" in line for line in lines(finding)), "that would be for this machine"


def test_a_program_in_c() -> None:
    finding = refused("/opt/ld.so", "other", go=None).finding("missing-interpreter")

    assert [fix.text for fix in finding.fix] == ["Install the libc that /opt/ld.so belongs to, or link app statically."]


@pytest.mark.parametrize(("errno", "there"), [(EACCES, False), (ENOENT, True)])
def test_another_refusal(errno: int, there: bool) -> None:
    assert refused(GLIBC, "glibc", errno, interpreter_there=there).findings() == []


def test_a_shell_that_went_on() -> None:
    assert refused(GLIBC, "glibc").findings(0) == []
