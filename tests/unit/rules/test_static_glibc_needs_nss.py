"""static-glibc-needs-nss: glibc's own warning in a link that succeeded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gotrace.rules.finding import Severity
from tests.unit.rules.scenes import ALPINE, DEBIAN, Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

TEXT = (
    "Using '{0}' in statically linked applications requires at runtime the shared libraries from the glibc version "
    "used for linking"
)
GO_NET = "/tmp/go-build/cgo_unix_cgo.cgo2.c:60"
GO_USER = "/_/GOROOT/src/os/user/cgo_lookup_cgo.go:36"
OWN = "/home/u/hello/main.go:6"


def links(
    scene: Scene, *warnings: tuple[str, str], static: bool = True, word: str = "warning: ", status: int = 0
) -> None:
    """A link by gcc, in which ld passes warnings on, in pieces."""
    flags = "-static go.o" if static else "go.o"
    with (
        scene.link(status=status) as link,
        scene.run(link, f"gcc -o a.out {flags}", status) as gcc,
        scene.run(gcc, f"collect2 {flags}", status) as collect2,
        scene.run(collect2, f"/usr/bin/ld {flags}", status) as ld,
    ):
        for place, function in warnings:
            pieces = ("/usr/bin/ld", ": ", "/tmp/go-link-1/7.o", ": in function `", "f", "':\n")
            for piece in (*pieces, f"{place}: ", word, TEXT.format(function), "\n"):
                scene.story.writes(ld, piece)


def ok(command: str = "go build .", host: dict[str, str] = DEBIAN) -> Scene:
    return Scene(command, status=0, host=host)


@pytest.mark.parametrize("word", ["warning: ", "Warnung: "])
def test_gos_own_look_ups_in_whatever_language(word: str) -> None:
    scene = ok()
    links(scene, (GO_USER, "getpwnam_r"), (GO_NET, "getaddrinfo"), word=word)

    finding = scene.finding("static-glibc-needs-nss")

    assert finding.severity is Severity.WARNING
    assert finding.confidence < 1
    assert "This program is static, but glibc's getaddrinfo and getpwnam_r in it load" in finding.message
    assert lines(finding) == ["env go build -tags=netgo,osusergo ."]
    assert f"{GO_NET}: {word}Using 'getaddrinfo'" in proof(finding)


@pytest.mark.parametrize(
    ("command", "fixed"),
    [
        ("go build -tags prod .", "env go build -tags prod,netgo,osusergo ."),
        ("go build -tags=prod -o x .", "env go build -tags=prod,netgo,osusergo -o x ."),
        ("env A=1 go build .", "env A=1 go build -tags=netgo,osusergo ."),
    ],
)
def test_tags_join_those_of_the_command(command: str, fixed: str) -> None:
    scene = Scene(command.removeprefix("env A=1 "), status=0, argv=command.split())
    links(scene, (GO_NET, "getaddrinfo"))

    assert lines(scene.finding("static-glibc-needs-nss")) == [fixed]


def test_tags_in_goflags_are_not_replaced() -> None:
    scene = Scene(env={"GOFLAGS": "-tags=prod"}, status=0)
    links(scene, (GO_NET, "getaddrinfo"))

    finding = scene.finding("static-glibc-needs-nss")

    assert lines(finding) == []
    assert "netgo" in finding.fix[0].text


def test_c_code_of_the_program_needs_another_libc() -> None:
    scene = ok()
    links(scene, (GO_NET, "getaddrinfo"), (OWN, "gethostbyname"))

    finding = scene.finding("static-glibc-needs-nss")

    assert lines(finding) == ["env CC=musl-gcc go build ."]
    assert "gethostbyname" in finding.fix[0].text
    assert "musl-tools" in finding.fix[0].text


def test_no_package_is_guessed_elsewhere() -> None:
    scene = ok(host=ALPINE)
    links(scene, (OWN, "gethostbyname"))

    assert "musl-tools" not in scene.finding("static-glibc-needs-nss").fix[0].text


def test_an_object_without_debug_information_is_taken_for_gos() -> None:
    scene = ok()
    links(scene, ("(.text+0x1a)", "getaddrinfo"))

    assert lines(scene.finding("static-glibc-needs-nss")) == ["env go build -tags=netgo,osusergo ."]


@pytest.mark.parametrize(
    ("warnings", "static", "status"),
    [([], True, 0), ([(GO_NET, "getaddrinfo")], False, 0), ([(GO_NET, "getaddrinfo")], True, 1)],
)
def test_no_finding(warnings: Sequence[tuple[str, str]], static: bool, status: int) -> None:
    scene = Scene(status=status)
    links(scene, *warnings, static=static, status=status)

    assert "static-glibc-needs-nss" not in [finding.name for finding in scene.findings()]


def test_a_real_one_and_its_fixes() -> None:
    diagnosis = diagnosis_of("static-glibc-resolver")

    assert [finding.name for finding in diagnosis.findings] == ["static-glibc-needs-nss"]
    assert "getaddrinfo" in diagnosis.findings[0].message
    for name in ("static-glibc-resolver.fixed", "static-glibc-resolver.fixed-2"):
        diagnosis = diagnosis_of(name)
        assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])
