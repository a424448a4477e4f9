"""missing-header where the compiler is musl's and the header is the kernel's."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of
from tests.unit.trace.events_for import GCC_PARTS

MUSL = "/usr/include/x86_64-linux-musl"
TO_ONE_FOLDER = (
    "sh -c mkdir -p kernel-headers && ln -sfn /usr/include/linux /usr/include/asm-generic "
    "/usr/include/x86_64-linux-gnu/asm kernel-headers/ && env CC=musl-gcc "
    "'CGO_CFLAGS=-O2 -g -isystem '\"$PWD/kernel-headers\"'' go build ."
)


def lacks(header: str, *found: str) -> Scene:
    scene = Scene(env={"CC": "musl-gcc"}, tools={"CC": "musl-gcc"})
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, "musl-gcc -E x.c", 1) as driver,
        scene.run(driver, f"{GCC_PARTS}/cc1 -E -nostdinc -isystem {MUSL} x.c", 1) as cc1,
    ):
        scene.searches(cc1, header, [f"{GCC_PARTS}/include", MUSL], "openat")
        scene.story.writes(cc1, f"/home/u/a.go:3:11: fatal error: {header}: No such file or directory\n")
    scene.story.fact("header", header, found=list(found), complete=True)
    return scene


def test_the_recording() -> None:
    finding = diagnosis_of("missing-header-kernel-with-musl").findings[0]
    assert finding.fix[0].command is not None
    assert finding.fix[0].command[:2] == ("sh", "-c")
    assert "kernel-headers" in finding.fix[0].command[2]


def test_the_kernels_headers_get_a_folder_of_their_own() -> None:
    scene = lacks("linux/perf_event.h", "/usr/include/linux/perf_event.h")
    assert lines(scene.finding("missing-header")) == [TO_ONE_FOLDER]


def test_where_the_machine_lacks_them_too() -> None:
    assert lines(lacks("linux/perf_event.h").finding("missing-header")) == ["apt-get install -y linux-libc-dev"]


@pytest.mark.parametrize("header", ["openssl/ssl.h", "linuxdcpp/x.h"])
def test_another_header_must_be_built_for_musl(header: str) -> None:
    finding = lacks(header, f"/usr/include/{header}").finding("missing-header")
    assert "as built for musl" in finding.fix[0].text
    assert lines(finding) == []
