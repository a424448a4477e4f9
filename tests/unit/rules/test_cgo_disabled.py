"""cgo-disabled: C parts are missing, and nobody said CGO_ENABLED=0."""

from __future__ import annotations

from errno import ENOENT

import pytest
from msgspec.structs import replace

from gotrace.rules.engine import diagnose, unexplained
from tests.unit.rules.scenes import PATH, Scene, healthy, lines, proof

EXCLUDED = "package ex/s24: build constraints exclude all Go files in /home/u/hello\n"


def test_a_cross_build_turns_cgo_off_and_fails() -> None:
    scene = Scene(env={"GOARCH": "arm64"})
    scene.story.writes(1, EXCLUDED)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.lost_package("ex/s24", files=["main.go"], others=0)

    finding = scene.finding("cgo-disabled")

    assert finding.severity == "error"
    assert finding.message == (
        "cgo is off by default in a build for linux/arm64 on linux/amd64, and CGO_ENABLED is not set, so no Go file of "
        'ex/s24 (import "C" at main.go:7:8) was left to build.'
    )
    assert lines(finding) == [
        "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build .",
        "apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ]
    assert finding.fix[-1].text.endswith("ex/s24 needs a Go file for that: `//go:build !cgo`.")


def test_a_cross_build_ships_the_stub() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, tools={"CGO_ENABLED": "0"}, status=0)
    with scene.run(1, "compile -p ex/s44/storage -importcfg x stub.go"):
        pass
    scene.lost_package("ex/s44/storage", files=["sqlite_cgo.go"], others=1)

    finding = scene.finding("cgo-disabled")

    assert finding.severity == "warning"
    assert 'ex/s44/storage (import "C" at sqlite_cgo.go:7:8) was built without its C part' in finding.message
    assert lines(finding)[-1] == "env CGO_ENABLED=0 GOARCH=arm64 go build ."


def test_cc_alone_does_not_turn_cgo_on() -> None:
    env = {"GOARCH": "arm64", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0", CC="aarch64-linux-gnu-gcc")
    scene.lost_package("ex/s24", files=["main.go"], others=0)

    finding = scene.finding("cgo-disabled")

    assert lines(finding)[0] == "env CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build ."
    assert "does not do that" in finding.fix[0].text


@pytest.mark.parametrize(("status", "others", "severity"), [(1, 0, "error"), (0, 1, "warning")])
def test_a_missing_compiler_turns_cgo_off(status: int, others: int, severity: str) -> None:
    scene = Scene(status=status)
    scene.searches(1, "gcc")
    scene.go_env(CGO_ENABLED="0")
    scene.lost_package("ex/s44/storage", files=["sqlite_cgo.go"], others=others)

    finding = scene.finding("cgo-disabled")

    assert finding.severity == severity
    assert "The C compiler gcc is in none of the 4 folders of PATH" in finding.message
    assert '"/bin/gcc"' in proof(finding)
    assert lines(finding) == [
        "apt-get install -y gcc libc6-dev",
        *(["env CGO_ENABLED=0 go build ."] if others else []),
    ]
    assert "CGO_ENABLED=1, once the compiler is there" in finding.fix[1].text, "a remark: as a command it would fail"


def test_a_compiler_with_a_blank_in_its_path_is_one_word() -> None:
    cc = {"CC": "'/opt/my cc/gcc' -m64"}
    scene = Scene(env=cc, status=0)
    scene.story.fails(1, "newfstatat", ENOENT, "/opt/my cc/gcc")
    scene.go_env(CGO_ENABLED="0", **cc)
    scene.lost_package("ex/s44/storage", files=["sqlite_cgo.go"], others=1)

    assert "The C compiler /opt/my cc/gcc is" in scene.finding("cgo-disabled").message


def test_a_blank_cc_is_none() -> None:
    """Go takes its default then."""
    scene = Scene(env={"CC": " "}, status=0)
    scene.searches(1, "gcc")
    scene.go_env(CGO_ENABLED="0", CC=" ")
    scene.lost_package("ex/s44/storage", files=["sqlite_cgo.go"], others=1)

    assert "The C compiler gcc is" in scene.finding("cgo-disabled").message


def test_names_that_only_the_lost_files_define() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"})
    with scene.run(1, "compile -p main -importcfg x main.go", 2) as compile_:
        scene.story.writes(compile_, "./main.go:5:2: undefined: storage.Open\n")
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)

    assert scene.finding("cgo-disabled").severity == "error"


def test_many_packages_are_one_finding() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    for number in range(15):
        scene.lost_package(f"ex/p{number}", files=["c.go"], others=1)

    message = scene.finding("cgo-disabled").message
    assert 'ex/p9 (import "C" at c.go:7:8) and 5 more were built without their C parts' in message


def test_every_lost_package_is_named_and_the_one_that_was_stubbed_first() -> None:
    scene = Scene("go build ./app ./main2", env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"})
    with scene.run(1, "compile -p ex/main2 -importcfg x stub.go"):
        pass
    scene.story.writes(1, "package ex/app: build constraints exclude all Go files in /home/u/hello\n")
    scene.lost_package("ex/app", files=["a.go"], others=0)
    scene.lost_package("ex/main2", files=["c.go"], others=1)

    finding = scene.finding("cgo-disabled")

    assert finding.message.endswith(
        'so ex/main2 (import "C" at c.go:7:8) was built without its C part, and no Go file of ex/app '
        '(import "C" at a.go:7:8) was left to build.'
    )
    assert lines(finding)[-1].startswith("apt-get")
    assert "ex/app needs a Go file" in finding.fix[-1].text


def test_a_failure_that_the_loss_does_not_explain_is_not_claimed() -> None:
    scene = Scene("go build ./b1 ./main2", env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"})
    with scene.run(1, "compile -p ex/b1 -importcfg x main.go", 2) as compile_:
        scene.story.writes(compile_, "b1/main.go:3:19: declared and not used: x\n")
    scene.lost_package("ex/main2", files=["c.go"], others=1)
    trace = scene.trace()

    diagnosis = diagnose(trace)

    assert [(found.name, found.severity) for found in diagnosis.findings] == [("cgo-disabled", "warning")]
    assert [span.role for span in unexplained(trace, diagnosis)] == ["compile"]


@pytest.mark.parametrize(
    ("package", "words", "severity", "left"),
    [
        ("main", "./main.go:5:2: undefined: storage.Open", "error", []),
        ("ex/storage", "./o.go:5:2: undefined: open", "error", []),
        ("ex/b1", "b1/main.go:3:23: undefined: nothing", "warning", ["compile"]),
        ("ex/b1", "b1/main.go:3:23: undefined: strings.Nothing", "warning", ["compile"]),
    ],
)
def test_a_compile_is_explained_if_it_misses_what_was_lost(
    package: str, words: str, severity: str, left: list[str]
) -> None:
    """As go 1.26 does it: the compiler writes to stdout, the go command tells it below the package's name."""
    scene = Scene(env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"})
    with scene.run(1, f"compile -p {package} -importcfg x main.go", 2):
        pass
    scene.story.writes(1, f"# {package}\n{words}\n")
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)
    trace = scene.trace()

    diagnosis = diagnose(trace)

    assert [found.severity for found in diagnosis.findings] == [severity]
    assert [span.role for span in unexplained(trace, diagnosis)] == left


def test_vet_builds_nothing() -> None:
    scene = Scene("go vet .", env={"GOARCH": "arm64"}, tools={"GOARCH": "arm64", "CGO_ENABLED": "0"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)

    assert "was vetted without its C part" in scene.finding("cgo-disabled").message


def test_a_compiler_outside_of_path_is_named() -> None:
    scene = Scene(status=0)
    scene.searches(1, "gcc")
    scene.go_env(CGO_ENABLED="0")
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)
    scene.story.fact("toolchain", compilers=[], elsewhere=["/opt/gcc-13/bin/gcc"])

    finding = scene.finding("cgo-disabled")

    assert "there is one at /opt/gcc-13/bin/gcc, which PATH does not have" in finding.message
    assert lines(finding) == [
        f"env CGO_ENABLED=1 PATH={':'.join(PATH)}:/opt/gcc-13/bin go build .",
        "env CGO_ENABLED=0 go build .",
    ]


def test_a_script_that_sets_the_target_is_the_place_for_every_fix() -> None:
    scene = Scene("sh build.sh", status=0)
    scene.story.forks(1, 2)
    scene.story.execs(2, "go build -o app .", env={**scene.env, "GOARCH": "arm64"})
    scene.story.exits(2, 0)
    values = {"GOOS": "linux", "GOARCH": "arm64", "GOHOSTOS": "linux", "GOHOSTARCH": "amd64", "CGO_ENABLED": "0"}
    scene.story.fact("goenv", "/usr/local/go/bin/go", values=values, written=[], pid=2)
    scene.story.fact("gopackage", "ex/a", standard=False, cgo_files=["c.go"], import_c=None, other_files=1, pid=2)

    finding = scene.finding("cgo-disabled")

    assert lines(finding)[-1] == "env CGO_ENABLED=0 GOARCH=arm64 go build -o app ."
    assert all("sh sets the variables itself" in fix.text for fix in finding.fix if "go build" in str(fix.command))


def test_a_system_without_a_known_compiler_needs_cgo_turned_on_too() -> None:
    scene = Scene(env={"GOOS": "darwin"}, status=0)
    scene.go_env(GOOS="darwin", CGO_ENABLED="0")
    scene.lost_package("ex/storage", files=["cgo.go"], others=1)

    assert "Turn cgo on with CGO_ENABLED=1 and name a C compiler" in scene.finding("cgo-disabled").fix[0].text


def test_a_cross_build_of_pure_go_is_well() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")

    assert scene.findings() == []


def test_a_slim_image_without_gcc_builds_pure_go() -> None:
    scene = Scene(status=0)
    scene.searches(1, "gcc")
    scene.go_env(CGO_ENABLED="0")

    assert scene.findings() == []


def test_packages_of_the_standard_library_have_go_code_for_all() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.story.fact("gopackage", "net", standard=True, cgo_files=["cgo_linux.go"], other_files=40, pid=1)

    assert scene.findings() == []


def test_files_that_cgo_would_not_compile_either() -> None:
    """Excluded by a tag of their own: CGO_ENABLED=1 would not bring them back."""
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.story.fact(
        "gopackage", "ex/p", standard=False, cgo_files=[], ignored_cgo_files=["x.go"], other_files=1, pid=1
    )

    assert scene.findings() == []


def test_facts_of_another_go_command() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.story.fact("gopackage", "ex/p", standard=False, cgo_files=["c.go"], other_files=1, pid=77)

    assert scene.findings() == []


def test_an_unanswered_question_is_not_clean() -> None:
    scene = Scene(env={"GOARCH": "arm64"}, status=0)
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.story.fact("probe_failed", "go list -e -deps", about="gopackage", reason="no answer within 5 s")

    (undecided,) = scene.diagnosis().not_evaluated

    assert undecided.name == "cgo-disabled"
    assert undecided.reason == "go list -e -deps failed: no answer within 5 s"


def test_the_fix_is_silent() -> None:
    env = {"CGO_ENABLED": "1"}
    scene = Scene(env=env, tools=env, status=0)
    scene.searches(1, "gcc", PATH[:2])
    healthy(scene)

    assert scene.findings() == []


def test_a_go_command_whose_environment_is_not_known_is_not_judged() -> None:
    scene = Scene(env={"GOARCH": "arm64"})
    scene.go_env(GOARCH="arm64", CGO_ENABLED="0")
    scene.lost_package("ex/s24", files=["main.go"], others=0)
    trace = scene.trace()
    for span in trace.spans:
        span.exec = replace(span.exec, env=None)

    diagnosis = diagnose(trace)

    assert diagnosis.findings == []
    assert "CGO_ENABLED may have been set there" in next(n for n in diagnosis.not_evaluated if n.code == "GT104").reason
