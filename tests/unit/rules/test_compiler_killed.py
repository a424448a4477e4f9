"""compiler-killed: exits by a signal, and memory that the kernel refused."""

from __future__ import annotations

from errno import ENOMEM

import pytest

from tests.unit.rules.scenes import CC1, EVERYTHING, GCC, Scene, lines, proof

SEEN_BY_PTRACE = tuple(facet for facet in EVERYTHING if facet != "all_failures")
COMPILE = "/usr/local/go/pkg/tool/linux_amd64/compile -o x -p ex/hello -importcfg c a.go"


def killed(scene: Scene, signal: int) -> None:
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, GCC, 1) as gcc,
        scene.run(gcc, CC1, signal=signal),
    ):
        pass


def test_the_kernel_kills_the_compiler() -> None:
    scene = Scene()
    killed(scene, 9)

    finding = scene.finding("compiler-killed")

    assert "cc1 was killed by SIGKILL" in finding.message
    assert "memory ran out (package ex/hello)" in finding.message
    assert "killed by SIGKILL" in proof(finding)
    assert finding.confidence == 1.0
    assert lines(finding) == ["env GOFLAGS=-p=1 go build ."]


def test_flags_of_the_user_stay() -> None:
    scene = Scene(env={"GOFLAGS": "-mod=mod"})
    killed(scene, 9)

    assert lines(scene.finding("compiler-killed")) == ["env GOFLAGS=-mod=mod -p=1 go build ."]


def test_one_at_a_time_already() -> None:
    scene = Scene("go build -p 1 .")
    killed(scene, 9)

    assert lines(scene.finding("compiler-killed")) == []


def test_gos_own_tools() -> None:
    scene = Scene()
    with scene.run(1, COMPILE, signal=9):
        pass

    assert "compile was killed by SIGKILL" in scene.finding("compiler-killed").message


@pytest.mark.parametrize(("signal", "word"), [(25, "ulimit -f"), (24, "ulimit -t"), (11, "crashed"), (31, "seccomp")])
def test_other_signals_have_other_reasons(signal: int, word: str) -> None:
    scene = Scene()
    killed(scene, signal)

    finding = scene.finding("compiler-killed")

    assert word in finding.message
    assert lines(finding) == []


@pytest.mark.parametrize("signal", [2, 15, 1, 13])
def test_a_build_that_somebody_ended_is_none(signal: int) -> None:
    scene = Scene()
    killed(scene, signal)

    assert scene.findings() == []


def test_a_build_that_succeeded_after_it_is_none() -> None:
    scene = Scene(status=0)
    killed(scene, 9)

    assert scene.findings() == []


def without_memory(scene: Scene, *, words: str, calls: int) -> None:
    with (
        scene.cgo("ex/hello") as cgo,
        scene.run(cgo, GCC, 1) as gcc,
        scene.run(gcc, CC1, 1) as cc1,
    ):
        for _ in range(calls):
            scene.story.fails(cc1, "mmap", ENOMEM)
        scene.story.writes(cc1, words)


@pytest.mark.parametrize(
    ("words", "confidence"),
    [
        ("\ncc1: out of memory allocating 1120199 bytes after a total of 4722688 bytes\n", 1.0),
        ("virtueller Speicher erschöpft: Nicht genügend Hauptspeicher verfügbar\n", 0.8),
    ],
)
def test_memory_that_was_refused(words: str, confidence: float) -> None:
    scene = Scene()
    without_memory(scene, words=words, calls=2)

    finding = scene.finding("compiler-killed")

    assert "got no more memory" in finding.message
    assert "ENOMEM" in proof(finding)
    assert finding.confidence == confidence
    assert lines(finding) == ["env GOFLAGS=-p=1 go build ."]


def test_refused_memory_that_is_not_observed_is_told_by_the_words() -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    without_memory(scene, words="virtual memory exhausted: Cannot allocate memory\n", calls=0)

    assert scene.finding("compiler-killed").confidence < 1.0


def test_refused_memory_is_told_in_the_tools_language() -> None:
    scene = Scene(observes=SEEN_BY_PTRACE)
    without_memory(scene, words="cc1: Speicher: Kein Hauptspeicher frei\n", calls=0)
    assert scene.findings() == []

    scene = Scene(observes=SEEN_BY_PTRACE)
    without_memory(scene, words="cc1: Speicher: Kein Hauptspeicher frei\n", calls=0)
    scene.story.fact("errno_texts", "de_DE.UTF-8", ENOMEM="Kein Hauptspeicher frei")
    assert scene.finding("compiler-killed").confidence < 1.0


def test_words_do_not_decide_where_refusals_are_observed() -> None:
    scene = Scene()
    without_memory(scene, words="a.c:1:2: error: #error out of memory\n", calls=0)

    assert scene.findings() == []


GUESS = "gcc -w -o/tmp/go-build496108998/b001/_cgo_1.o -c -O0 -fdiagnostics-color=never /tmp/cgo-gcc-input-2.c"


@pytest.mark.parametrize(("status", "found"), [(2, ["compiler-killed"]), (0, [])])
def test_a_compile_that_cgo_only_asks_something_by(status: int, found: list[str]) -> None:
    scene = Scene()
    with (
        scene.cgo("ex/hello", status) as cgo,
        scene.run(cgo, GUESS, 1) as gcc,
        scene.run(gcc, CC1, 1) as cc1,
    ):
        scene.story.fails(cc1, "mmap", ENOMEM)
        scene.story.writes(cc1, "\ncc1: out of memory allocating 65536 bytes after a total of 1 bytes\n")

    assert [finding.name for finding in scene.findings()] == found
