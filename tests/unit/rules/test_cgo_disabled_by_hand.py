"""cgo-disabled where somebody said CGO_ENABLED=0: only if the build failed, and for want of what that left out."""

from __future__ import annotations

import pytest

from gotrace.rules.engine import diagnose
from tests.unit.rules.scenes import Scene, lines

OFF = {"CGO_ENABLED": "0"}
EXCLUDED = "main.go:3:8: build constraints exclude all Go files in /home/u/hello\n"
VALUES = {"GOOS": "linux", "GOARCH": "amd64", "GOHOSTOS": "linux", "GOHOSTARCH": "amd64", "CGO_ENABLED": "0"}
STUB = "needs a Go file for that: `//go:build !cgo`."


def written(scene: Scene) -> None:
    values = {**VALUES, "GOENV": "/home/u/.config/go/env"}
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=values, written=["CGO_ENABLED"], pid=1)


def test_a_package_of_which_nothing_is_left() -> None:
    scene = Scene(env=OFF)
    scene.story.writes(1, EXCLUDED)
    scene.go_env(**OFF)
    scene.lost_package("ex/store", files=["c.go"], others=0)

    finding = scene.finding("cgo-disabled")

    assert finding.severity == "error"
    assert finding.message == (
        'CGO_ENABLED=0 is set in the environment, so no Go file of ex/store (import "C" at c.go:7:8) was left to build.'
    )
    assert lines(finding) == ["env CGO_ENABLED=1 go build ."]
    assert finding.fix[-1].text == f"Or, where it is meant to be built without C, ex/store {STUB}"


def test_names_that_only_the_lost_files_define() -> None:
    scene = Scene(env=OFF)
    with scene.run(1, "compile -p main -importcfg x main.go", 2):
        pass
    scene.story.writes(1, "# ex/hello\n./main.go:5:2: undefined: storage.Open\n")
    scene.go_env(**OFF)
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)

    finding = scene.finding("cgo-disabled")

    assert finding.message.endswith('so ex/storage (import "C" at cgo.go:7:8) was built without its C part.')
    assert lines(finding) == ["env CGO_ENABLED=1 go build ."]
    assert "define what is missing in a Go file" in finding.fix[-1].text, "CGO_ENABLED=0 is what failed"


def test_what_go_env_w_wrote_is_taken_back() -> None:
    scene = Scene()
    scene.story.writes(1, EXCLUDED)
    written(scene)
    scene.lost_package("ex/store", files=["c.go"], others=0)

    finding = scene.finding("cgo-disabled")

    assert finding.message.startswith("`go env -w` wrote CGO_ENABLED=0 into /home/u/.config/go/env, so no Go file of")
    assert lines(finding) == ["env CGO_ENABLED=1 go build .", "go env -u CGO_ENABLED"]


def test_the_command_line_said_so() -> None:
    scene = Scene(env=OFF, argv=("env", "CGO_ENABLED=0", "go", "build", "."))
    scene.story.writes(1, EXCLUDED)
    scene.go_env(**OFF)
    scene.lost_package("ex/store", files=["c.go"], others=0)

    finding = scene.finding("cgo-disabled")

    assert finding.message.startswith("The command line sets CGO_ENABLED=0, so")
    assert lines(finding) == ["env CGO_ENABLED=1 go build ."]


def test_a_script_said_so() -> None:
    scene = Scene("sh build.sh")
    scene.story.forks(1, 2)
    scene.story.execs(2, "go build -o app .", env={**scene.env, **OFF})
    scene.story.writes(2, EXCLUDED)
    scene.story.exits(2, 1)
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=VALUES, written=[], pid=2)
    data = {"dir": "/home/u/hello", "cgo_files": ["c.go"], "import_c": "c.go:7:8", "other_files": 0, "pid": 2}
    scene.story.fact("gopackage", "ex/store", standard=False, ignored_cgo_files=["c.go"], **data)

    finding = scene.finding("cgo-disabled")

    assert finding.message.startswith("sh sets CGO_ENABLED=0, so no Go file of ex/store")
    assert lines(finding) == ["env CGO_ENABLED=1 go build -o app ."]
    assert finding.fix[0].text == "Turn cgo on for this build; sh sets the variables itself: change them there."


def test_a_cross_build_needs_the_compiler_of_its_target_as_well() -> None:
    scene = Scene(env={"GOARCH": "arm64", **OFF})
    scene.story.writes(1, EXCLUDED)
    scene.go_env(GOARCH="arm64", **OFF)
    scene.lost_package("ex/store", files=["c.go"], others=0)

    assert lines(scene.finding("cgo-disabled")) == [
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build .",
        "apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ]


def test_a_missing_compiler_comes_first() -> None:
    scene = Scene(env=OFF)
    scene.story.writes(1, EXCLUDED)
    scene.go_env(**OFF)
    scene.lost_package("ex/store", files=["c.go"], others=0)
    scene.story.fact("toolchain", compilers=[], elsewhere=[])

    assert lines(scene.finding("cgo-disabled")) == [
        "apt-get install -y gcc libc6-dev",
        "env CGO_ENABLED=1 go build .",
    ]


@pytest.mark.parametrize("env", [OFF, {}])
def test_a_build_that_succeeds_is_what_was_asked_for(env: dict[str, str]) -> None:
    scene = Scene(env=env, status=0)
    written(scene)
    scene.lost_package("ex/store", files=["c.go"], others=1)

    assert scene.findings() == []


@pytest.mark.parametrize(
    "words",
    [
        "",
        "package ex/other: build constraints exclude all Go files in /home/u/other\n",
        "# ex/b\nb/b.go:3:13: undefined: y\n",
        "# ex/b\nb/b.go:3:13: undefined: strings.Nothing\n",
    ],
)
def test_a_failure_that_the_loss_does_not_explain_is_not_claimed(words: str) -> None:
    scene = Scene(env=OFF)
    scene.story.writes(1, words)
    scene.go_env(**OFF)
    scene.lost_package("ex/store", files=["c.go"], others=0)

    assert scene.findings() == []


def test_one_go_command_of_a_script_that_ends_well() -> None:
    """The script tries, and lives with the failure: it is no finding."""
    scene = Scene("sh build.sh", status=0)
    scene.story.forks(1, 2)
    scene.story.execs(2, "go build ./c", env={**scene.env, **OFF})
    scene.story.writes(2, EXCLUDED)
    scene.story.exits(2, 1)
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=VALUES, written=[], pid=2)
    data = {"dir": "/home/u/hello", "cgo_files": ["c.go"], "import_c": "c.go:7:8", "other_files": 0, "pid": 2}
    scene.story.fact("gopackage", "ex/store", standard=False, **data)

    assert scene.findings() == []


@pytest.mark.parametrize(("words", "undecided"), [(EXCLUDED, ["GT104"]), ("main.go:3:1: syntax error\n", [])])
def test_an_unanswered_question_matters_where_something_is_lacking(words: str, undecided: list[str]) -> None:
    scene = Scene(env=OFF)
    scene.story.writes(1, words)
    scene.go_env(**OFF)
    scene.story.fact("probe_failed", "go list -e -deps", about="gopackage", reason="no answer within 5 s")

    diagnosis = diagnose(scene.trace())

    assert [one.code for one in diagnosis.not_evaluated] == undecided
