"""toolchain-not-available: the Go that is asked for is not there and cannot be had."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

TOO_OLD = "go: {} requires go >= {} (running go 1.26.8; GOTOOLCHAIN=local)\n"
LOCAL = {"GOTOOLCHAIN": "local"}


def gave_up(words: str, env: dict[str, str] | None = None, command: str = "go build .", **requires: str) -> Scene:
    scene = Scene(command, env=env)
    scene.story.writes(1, words)
    files = {name.replace("_", "."): version for name, version in requires.items()}
    values = {"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "1", "GOVERSION": "go1.26.8"}
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=values, written=[], requires=files, pid=1)
    return scene


@pytest.mark.parametrize("name", ["toolchain-not-available", "toolchain-not-available-offline"])
def test_the_recordings_and_their_fixes(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert [finding.name for finding in diagnosis.findings] == ["toolchain-not-available"]
    assert diagnosis.findings[0].confidence == 1.0
    assert diagnosis_of(f"{name}.fixed").findings == []


def test_local_forbids_it() -> None:
    finding = gave_up(TOO_OLD.format("go.mod", "1.99"), LOCAL, go_mod="1.99").finding("toolchain-not-available")

    assert finding.message == (
        "go.mod asks for go 1.99, this is go 1.26.8, and GOTOOLCHAIN=local forbids to download another."
    )
    assert lines(finding) == ["env GOTOOLCHAIN=auto go build .", "go mod edit -go=1.26.8 -toolchain=none"]


def test_a_workspace() -> None:
    finding = gave_up(TOO_OLD.format("go.work", "1.99"), LOCAL, go_work="1.99").finding("toolchain-not-available")
    assert lines(finding)[-1] == "go work edit -go=1.26.8 -toolchain=none"


def test_a_dependency_is_known_by_words_alone() -> None:
    words = TOO_OLD.format("example.org/dep@v1.4.0", "1.99")
    finding = gave_up(words, LOCAL, go_mod="1.21").finding("toolchain-not-available")

    assert finding.confidence == 0.8
    assert "take a version of example.org/dep that is content with go 1.26.8" in finding.fix[-1].text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            'go: download go1.99.0: golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64: Get "https://p/v.zip": dial tcp: '
            "lookup p: no such host\n",
            "the other one cannot be downloaded: dial tcp: lookup p: no such host",
        ),
        (
            "go: download go1.99.0: golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64: reading https://p/v.zip: 403 "
            "Forbidden\n",
            "the other one cannot be downloaded: 403 Forbidden",
        ),
    ],
)
def test_the_download_fails(words: str, why: str) -> None:
    finding = gave_up(words, {"GOTOOLCHAIN": "auto"}, go_mod="1.99").finding("toolchain-not-available")

    assert finding.message == f"go.mod asks for go 1.99.0, this is go 1.26.8, and {why}."
    assert lines(finding) == ["env GOTOOLCHAIN=local go mod edit -go=1.26.8 -toolchain=none"]


def test_a_line_without_a_patch_level_names_no_release() -> None:
    words = "go: download go1.99 for linux/amd64: toolchain not available\n"
    finding = gave_up(words, go_mod="1.99").finding("toolchain-not-available")
    assert lines(finding)[0] == "go mod edit -go=1.99.0 -toolchain=none"


def test_a_choice_of_the_user() -> None:
    words = 'go: cannot find "go1.99.0" in PATH\n'
    finding = gave_up(words, {"GOTOOLCHAIN": "go1.99.0+path"}, go_mod="1.21").finding("toolchain-not-available")

    assert finding.message.startswith("GOTOOLCHAIN=go1.99.0+path asks for go 1.99.0")
    assert "no go1.99.0 is in PATH" in finding.message
    assert lines(finding) == ["env GOTOOLCHAIN=local go build ."]


def test_go_commands_that_do_not_build_count_too() -> None:
    scene = Scene("go mod download", env=LOCAL)
    scene.story.writes(1, TOO_OLD.format("go.mod", "1.99"))
    assert scene.finding("toolchain-not-available").confidence == 0.8


def test_never_where_the_build_succeeded() -> None:
    scene = Scene(env=LOCAL, status=0)
    scene.story.writes(1, TOO_OLD.format("go.mod", "1.99"))
    assert scene.findings() == []


def test_never_where_a_tool_failed() -> None:
    scene = Scene(env=LOCAL)
    with scene.run(1, "compile -p main -importcfg x main.go", 2):
        pass
    scene.story.writes(1, TOO_OLD.format("go.mod", "1.99"))
    assert scene.findings() == []
