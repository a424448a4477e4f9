"""missing-target-headers: a compiler for the target without the target's C library."""

from __future__ import annotations

from tests.unit.rules.scenes import ALPINE, CROSS_CC1, GCC, INCLUDE, Scene, lines, proof
from tests.unit.trace.events_for import GCC_PARTS

ARM64 = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
CROSS_INCLUDE = ("/usr/lib/gcc-cross/aarch64-linux-gnu/12/include", "/usr/aarch64-linux-gnu/include", "/usr/include")


def without_libc(scene: Scene, header: str = "stdlib.h") -> None:
    command = "/usr/bin/aarch64-linux-gnu-gcc -I . -fPIC -pthread -c linux_syscall.c"
    with scene.run(1, command, 1) as gcc, scene.run(gcc, CROSS_CC1, 1) as cc1:
        scene.searches(cc1, header, ["/usr/local/go/src/runtime/cgo", *CROSS_INCLUDE], "openat")
        scene.story.writes(cc1, f"linux_syscall.c:11:10: fatal error: {header}: No such file or directory\n")


def without_32_bit_libc(scene: Scene) -> None:
    """gcc -m32 finds /usr/include/stdlib.h, which includes what only the 32-bit library has."""
    cc1 = f"{GCC_PARTS}/cc1 -quiet -m32 -imultilib 32 linux_syscall.c"
    with scene.run(1, "/usr/bin/gcc -m32 -c linux_syscall.c", 1) as gcc, scene.run(gcc, cc1, 1) as pid:
        scene.searches(pid, "stdlib.h", INCLUDE[:2], "openat")
        scene.searches(pid, "bits/libc-header-start.h", [*INCLUDE[:2], "/usr/include"], "openat")
        words = "fatal error: bits/libc-header-start.h: No such file or directory\n"
        scene.story.writes(pid, f"/usr/include/stdlib.h:26:10: {words}")


def test_cross_compiler_without_its_libc() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    without_libc(scene)

    finding = scene.finding("missing-target-headers")

    assert "aarch64-linux-gnu-gcc can make code for linux/arm64" in finding.message
    assert "stdlib.h is in none of the 4 folders" in finding.message
    assert '"/usr/include/stdlib.h"' in proof(finding)
    assert lines(finding) == ["apt-get install -y libc6-dev-arm64-cross"]


def test_its_fix_is_silent() -> None:
    scene = Scene(env=ARM64, tools=ARM64, status=0)
    with scene.run(1, "/usr/bin/aarch64-linux-gnu-gcc -c x.c") as gcc, scene.run(gcc, CROSS_CC1) as cc1:
        scene.searches(cc1, "stdlib.h", CROSS_INCLUDE[:1], "openat")

    assert scene.findings() == []


def test_many_headers_of_many_packages_are_one_finding() -> None:
    scene = Scene(env=ARM64, tools=ARM64)
    for header in ("stdlib.h", "errno.h", "grp.h", "stdio.h"):
        without_libc(scene, header)

    assert "stdlib.h" in scene.finding("missing-target-headers").message


def test_386_with_the_gcc_of_an_amd64_machine_lacks_multilib() -> None:
    settings = {"GOARCH": "386", "CGO_ENABLED": "1"}
    scene = Scene(env=settings, tools=settings)
    without_32_bit_libc(scene)

    finding = scene.finding("missing-target-headers")

    assert "bits/libc-header-start.h" in finding.message
    assert lines(finding) == [
        "apt-get install -y gcc-multilib",
        "env CGO_ENABLED=1 GOARCH=386 CC=i686-linux-gnu-gcc go build .",
        "apt-get install -y gcc-i686-linux-gnu libc6-dev-i386-cross",
    ]


def test_386_with_its_cross_compiler_at_hand_needs_nothing_installed() -> None:
    settings = {"GOARCH": "386", "CGO_ENABLED": "1"}
    scene = Scene(env=settings, tools=settings)
    without_32_bit_libc(scene)
    scene.story.fact("toolchain", compilers=["/usr/bin/gcc", "/usr/bin/i686-linux-gnu-gcc"], elsewhere=[])

    assert lines(scene.finding("missing-target-headers")) == [
        "env CGO_ENABLED=1 GOARCH=386 CC=i686-linux-gnu-gcc go build .",
        "apt-get install -y gcc-multilib",
    ]


def test_without_the_compilers_words_the_calls_decide() -> None:
    observed = ["execs", "failed_execs", "failed_paths", "all_failures", "from_start", "probed"]
    scene = Scene(env=ARM64, tools=ARM64, observes=observed)
    with scene.run(1, "/usr/bin/aarch64-linux-gnu-gcc -c x.c", 1) as gcc, scene.run(gcc, CROSS_CC1, 1) as cc1:
        scene.searches(cc1, "stdlib.h", CROSS_INCLUDE, "openat")

    (finding,) = scene.diagnosis().findings  # rules that need the words are not evaluated

    assert finding.name == "missing-target-headers"
    assert finding.confidence < 1.0
    assert "stdlib.h" in finding.message


def test_other_systems_get_the_file_named() -> None:
    scene = Scene(env=ARM64, tools=ARM64, host=ALPINE)
    without_libc(scene)

    finding = scene.finding("missing-target-headers")

    assert lines(finding) == []
    assert "the missing file is stdlib.h" in finding.fix[0].text


def test_on_this_machine_it_is_an_ordinary_missing_header() -> None:
    scene = Scene()
    with (
        scene.cgo("runtime/cgo") as cgo,
        scene.run(cgo, GCC, 1) as gcc,
        scene.run(gcc, f"{GCC_PARTS}/cc1 -E x.c", 1) as cc1,
    ):
        scene.searches(cc1, "errno.h", INCLUDE, "openat")
        scene.story.writes(cc1, "x.go:5:10: fatal error: errno.h: No such file or directory\n")

    assert lines(scene.finding("missing-header")) == ["apt-get install -y libc6-dev"]
