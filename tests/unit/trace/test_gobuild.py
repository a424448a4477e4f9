"""Go commands that build: which, what for, and whose settings."""

from __future__ import annotations

import pytest

from gotrace.events.tools import Role
from gotrace.trace.model import Build, BuildTarget
from tests.unit.trace import go126
from tests.unit.trace.events_for import GO_ENV, WORK, Story

ARM = GO_ENV | {"GOARCH": "arm64", "CGO_ENABLED": "0"}


def compiled_packages(build: Build) -> set[str]:
    return {span.package for span in build.spans if span.compiled and span.package}


def _build(env: dict[str, str] | None = None, tools_env: dict[str, str] | None = None, **goenv: object) -> Build:
    """The one build of a trace in which go ran one tool (if `tools_env`)."""
    story = Story()
    with story.process(1, "go build ./...", env=env):
        if tools_env is not None:
            story.runs(2, go126.COMPILE_SUB, parent=1, env=tools_env)
    if goenv:
        story.fact("goenv", "/usr/local/go/bin/go", **goenv)
    (build,) = story.trace().builds
    return build


def test_a_build_holds_its_command_and_all_runs_below_it() -> None:
    story = Story()
    go126.go_build(story, go_env={"PATH": "/usr/bin"})
    trace = story.trace()
    (build,) = trace.builds
    assert (build.subcommand, build.flags, build.patterns) == ("build", ("-o", "../mini"), (".",))
    assert build.span.role is Role.GO
    assert build.env == {"PATH": "/usr/bin"}
    assert build.spans == trace.spans
    assert all(span.build is build for span in trace.spans)
    assert not build.failed
    assert compiled_packages(build) == {"sync", "ex/mini", "ex/mini/sub"}


@pytest.mark.parametrize(
    ("command", "builds"),
    [
        *((f"go {name}", True) for name in ("build", "install", "test ./...", "run .", "vet", "get example.com/x")),
        ("go -C sub build", True),
        ("go list -export ./...", True),
        ("go list -compiled=true ./...", True),
        ("go list -export=false ./...", False),
        *((f"go {name}", False) for name in ("list ./...", "env", "version", "mod tidy", "generate", "tool cgo", "")),
    ],
)
def test_which_go_commands_build(command: str, builds: bool) -> None:
    story = Story()
    story.runs(1, command)
    assert bool(story.trace().builds) == builds


def test_any_go_command_that_compiles_in_a_work_folder_builds() -> None:
    """`go tool stringer` compiles stringer where it is a tool of the module; `go tool compile` is no build."""
    story = Story()
    with story.process(1, "go tool stringer"):
        story.runs(2, go126.COMPILE_SUB, parent=1)
    with story.process(3, "go tool compile -p x x.go"):
        story.runs(4, "compile -p x x.go", parent=3)
    assert [build.span.process.pid for build in story.trace().builds] == [1]


def test_nested_go_commands_have_their_own_builds() -> None:
    story = Story()
    with story.process(1, "go test ./..."):
        story.runs(2, go126.COMPILE_SUB, parent=1)
        with story.process(3, go126.TEST_BINARY, parent=1), story.process(4, "go build .", parent=3, status=1):
            story.runs(5, go126.COMPILE_MAIN, parent=4)
    with story.process(6, "make"):
        story.runs(7, "go build a", parent=6)
        story.runs(8, "go build b", parent=6)
    trace = story.trace()
    assert [(b.span.process.pid, [s.process.pid for s in b.spans]) for b in trace.builds] == [
        (1, [1, 2, 3]),
        (4, [4, 5]),
        (7, [7]),
        (8, [8]),
    ]
    assert trace.builds[1].failed
    assert next(span for span in trace.spans if span.process.pid == 6).build is None


def test_a_switched_toolchain_is_one_build_with_the_user_s_environment() -> None:
    story = Story()
    with story.process(1, "go build .", env={"GOARCH": "arm64"}, status=1):
        switched = "/home/u/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.27.0.linux-amd64/bin/go"
        env = {"GOARCH": "arm64", "GOTOOLCHAIN_INTERNAL_SWITCH_COUNT": "1", "GOFLAGS": "-mod=mod"}
        story.execs(1, [switched, "build", "."], env=env)
        story.runs(2, go126.COMPILE_SUB, parent=1, env=GO_ENV | {"GOARCH": "arm64"})
    (build,) = story.trace().builds
    assert build.span.exec.path == switched
    assert build.failed
    assert [span.role for span in build.spans] == [Role.GO, Role.GO, Role.COMPILE]
    assert build.env == {"GOARCH": "arm64"}
    assert build.target.explicit == {"GOARCH"}


# --- the target ---------------------------------------------------------------------------------------------------


def test_the_target_is_what_go_hands_to_its_tools() -> None:
    target = _build(env={"GOARCH": "arm64"}, tools_env=ARM).target
    expected = BuildTarget("linux", "arm64", False, "gcc", "g++", "linux", "amd64", frozenset({"GOARCH"}))
    assert _fields(target) == _fields(expected)
    assert target.cross


def _fields(target: BuildTarget) -> list[object]:
    return [getattr(target, name) for name in BuildTarget.__slots__]


def test_what_the_tools_saw_counts_more_than_go_env() -> None:
    values = GO_ENV | {"GOARCH": "riscv64", "CGO_ENABLED": "1"}
    target = _build(tools_env=ARM, values=values, written=[], pid=1).target
    assert (target.goarch, target.cgo_enabled) == ("arm64", False)


def test_go_env_stands_in_where_no_tool_ran() -> None:
    values = GO_ENV | {"GOARCH": "riscv64", "CC": "riscv64-linux-gnu-gcc", "CGO_ENABLED": "1"}
    target = _build(values=values, written=["CC"], pid=1).target
    assert (target.goarch, target.cc, target.cgo_enabled) == ("riscv64", "riscv64-linux-gnu-gcc", True)
    assert target.explicit == {"CC"}


def test_go_env_of_another_go_command_tells_only_the_host() -> None:
    target = _build(values=GO_ENV | {"GOARCH": "riscv64"}, written=["GOARCH"], pid=77).target
    assert (target.goarch, target.explicit) == (None, frozenset())
    assert (target.host_os, target.host_arch) == ("linux", "amd64")


def test_at_last_the_user_s_own_environment_and_the_recorded_machine_tell() -> None:
    target = _build(env={"GOARCH": "arm64", "CC": ""}).target
    assert (target.goos, target.goarch, target.cc, target.cgo_enabled) == (None, "arm64", None, None)
    assert (target.host_os, target.host_arch) == ("linux", "amd64")
    assert target.cross


def test_what_nothing_tells_is_unknown_and_no_cross_build() -> None:
    story = Story()
    story.runs(1, "go build")
    (build,) = story.trace(host={}).builds
    assert _fields(build.target) == [None] * 7 + [frozenset()]
    assert not build.target.cross


def test_the_host_is_told_by_the_folder_of_go_s_tools() -> None:
    story = Story()
    with story.process(1, "go build"):
        story.runs(2, ["compile", "-V=full"], path="/opt/go/pkg/tool/linux_arm64/compile", parent=1)
    target = story.trace().builds[0].target
    assert (target.host_os, target.host_arch) == ("linux", "arm64")


def test_a_test_s_environment_says_nothing_of_the_settings() -> None:
    story = Story()
    with story.process(1, "go test"):
        story.runs(2, go126.TEST_BINARY, parent=1, env={"GOARCH": "wasm"})
        story.runs(3, go126.COMPILE_SUB, parent=1, env=GO_ENV)
    assert story.trace().builds[0].target.goarch == "amd64"


@pytest.mark.parametrize("values", [None, 7, {"GOARCH": 3}, {}])
def test_a_strange_fact_is_no_trouble(values: object) -> None:
    target = _build(values=values, written=values, pid=1).target
    assert (target.goarch, target.explicit) == (None, frozenset())


# --- who set it ---------------------------------------------------------------------------------------------------


def test_explicit_is_what_stands_in_go_s_own_environment_not_what_its_children_carry() -> None:
    target = _build(env={"CGO_ENABLED": "0", "PATH": "/usr/bin", "HOME": "/home/u", "CXX": ""}, tools_env=ARM).target
    assert target.explicit == {"CGO_ENABLED"}


def test_a_nested_go_command_inherits_settings_that_nobody_set() -> None:
    story = Story()
    given = GO_ENV | {"GOFLAGS": "-mod=mod"}
    with story.process(1, "go generate ./...", env={"GOFLAGS": "-mod=mod"}):
        story.runs(2, "go build ./gen", parent=1, env=given)
        with story.process(3, "sh gen.sh", parent=1, env=given):
            story.runs(4, "go build .", parent=3, env=given | {"CGO_ENABLED": "0", "CC": "clang"})
    direct, through_a_script = story.trace().builds
    assert direct.target.explicit == {"GOFLAGS"}
    assert through_a_script.target.explicit == {"GOFLAGS", "CGO_ENABLED", "CC"}


def test_a_go_command_whose_environment_could_not_be_read() -> None:
    build = _build(env=None, tools_env=GO_ENV)
    assert build.env == {}
    assert build.target.explicit == frozenset()
    assert build.target.goarch == "amd64"


def test_work_folders_of_two_builds_are_not_mixed_up() -> None:
    other = go126.COMPILE_SUB.replace(WORK, "/tmp/go-build77").replace("ex/mini/sub", "ex/other")
    story = Story()
    for go, command in ((1, go126.COMPILE_SUB), (10, other)):
        with story.process(go, "go build"):
            story.runs(go + 1, command, parent=go)
    first, second = story.trace().builds
    assert compiled_packages(first) == {"ex/mini/sub"}
    assert compiled_packages(second) == {"ex/other"}
