"""cgo-required: -race and its kin while cgo is off."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

RACE = "go: -race requires cgo; enable cgo by setting CGO_ENABLED=1\n"
OFF = {"CGO_ENABLED": "0"}


def refused(command: str, words: str = RACE, env: dict[str, str] | None = None) -> Scene:
    scene = Scene(command, env=env)
    scene.story.writes(1, words)
    return scene


@pytest.mark.parametrize("name", ["cgo-required", "cgo-required-by-build-mode"])
def test_the_recordings_and_their_fixes(name: str) -> None:
    assert [finding.name for finding in diagnosis_of(name).findings] == ["cgo-required"]
    assert diagnosis_of(f"{name}.fixed").findings == []


def test_said_off() -> None:
    finding = refused("go test -race ./...", env=OFF).finding("cgo-required")

    assert finding.message == "-race needs cgo, and cgo is off: CGO_ENABLED=0 is set."
    assert lines(finding) == ["env CGO_ENABLED=1 go test -race ./..."]
    assert finding.confidence == 1.0


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("go build -buildmode=c-shared .", "-buildmode=c-shared"),
        ("go build -buildmode plugin .", "-buildmode=plugin"),
        ("go build -ldflags=-linkmode=external .", "-linkmode"),
    ],
)
def test_what_the_external_linker_makes(command: str, what: str) -> None:
    words = f"{what} requires external (cgo) linking, but cgo is not enabled\n"
    assert refused(command, words, OFF).finding("cgo-required").message.startswith(f"{what} needs cgo")


def test_goflags_ask_too() -> None:
    finding = refused("go build .", env={**OFF, "GOFLAGS": "-race"}).finding("cgo-required")
    assert lines(finding) == ["env CGO_ENABLED=1 GOFLAGS=-race go build ."]


def test_written_by_go_env() -> None:
    scene = refused("go build -race .")
    scene.story.fact("goenv", "/usr/local/go/bin/go", values={"CGO_ENABLED": "0"}, written=["CGO_ENABLED"], pid=1)

    finding = scene.finding("cgo-required")

    assert "was written by `go env -w`" in finding.message
    assert lines(finding) == ["env CGO_ENABLED=1 go build -race .", "go env -u CGO_ENABLED"]


def test_no_compiler_turned_it_off() -> None:
    scene = refused("go build -race .")
    scene.searches(1, "gcc")
    scene.go_env(CGO_ENABLED="0")

    finding = scene.finding("cgo-required")

    assert "where the C compiler gcc is not in PATH" in finding.message
    assert lines(finding)[0] == "apt-get install -y gcc libc6-dev"


def test_a_cross_build_turned_it_off() -> None:
    scene = refused("go build -race .", "go: -race requires cgo\n", {"GOARCH": "arm64"})
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")

    finding = scene.finding("cgo-required")

    assert "by default in a build for linux/arm64 on linux/amd64" in finding.message
    assert lines(finding)[0] == "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build -race ."


@pytest.mark.parametrize("env", [{"CGO_ENABLED": "1"}, OFF])
def test_the_words_alone_decide_nothing(env: dict[str, str]) -> None:
    """Without the option, or with cgo on, somebody else says so."""
    command = "go build -race ." if env["CGO_ENABLED"] == "1" else "go build ."
    assert refused(command, env=env).findings() == []


def test_switched_off_again() -> None:
    assert refused("go build -race -race=false .", env=OFF).findings() == []
