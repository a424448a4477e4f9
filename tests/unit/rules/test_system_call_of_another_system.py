"""system-call-of-another-system: names of package syscall that another system has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.unit.rules.scenes import Scene
from tests.unit.rules.test_recordings import diagnosis_of

NAME = "system-call-of-another-system"
EPOLL = {"EpollWait": ["linux"]}


def missing(
    systems: Mapping[str, Sequence[str]], goos: str = "darwin", *, file: str = "./poll.go", heading: str = "ex/hello"
) -> Scene:
    scene = Scene(env={"GOOS": goos, "CGO_ENABLED": "0"})
    with scene.run(1, ["/usr/local/go/pkg/tool/linux_amd64/compile", "-o", "x.a", "-p", "ex/hello", "a.go"], 2):
        pass
    scene.story.writes(1, f"# {heading}\n")
    for line, name in enumerate(systems, start=11):
        scene.story.writes(1, f"{file}:{line}:2: undefined: syscall.{name}\n")
    scene.go_env(GOOS=goos, CGO_ENABLED="0")
    scene.story.fact("syscall_names", "/usr/local/go/src/syscall", systems=dict(systems), pid=1)
    return scene


def test_the_recording_and_its_fix() -> None:
    assert [finding.name for finding in diagnosis_of(NAME).findings] == [NAME]
    assert diagnosis_of(f"{NAME}.fixed").findings == []


def test_a_file_for_the_one_system() -> None:
    finding = missing({**EPOLL, "EPOLLET": ["linux"]}).finding(NAME)

    assert finding.message == (
        "./poll.go:11 uses syscall.EpollWait and syscall.EPOLLET, which linux has and darwin has not "
        "(package ex/hello)."
    )
    assert "into poll_linux.go" in finding.fix[0].text
    assert "//go:build !linux" in finding.fix[0].text
    assert finding.confidence == 1.0
    assert finding.span is not None
    assert finding.span.role.value == "compile"


def test_several_systems() -> None:
    finding = missing({"Kqueue": ["darwin", "freebsd"]}, "linux").finding(NAME)

    assert "which darwin and freebsd have and linux has not" in finding.message
    assert "//go:build darwin || freebsd" in finding.fix[0].text


def test_all_systems_but_one() -> None:
    finding = missing({"Kill": ["aix", "darwin", "freebsd", "linux", "netbsd"]}, "windows").finding(NAME)

    assert "which aix, darwin, freebsd, linux and 1 more have and windows has not" in finding.message
    assert "a file that begins with //go:build !windows, and what windows does instead into poll_windows.go" in (
        finding.fix[0].text
    )


def test_what_all_systems_of_a_kind_have() -> None:
    finding = missing({"Exec": ["unix"]}, "windows").finding(NAME)
    assert "a file that begins with //go:build unix," in finding.fix[0].text


def test_names_of_different_systems() -> None:
    finding = missing({**EPOLL, "Handle": ["windows"]}).finding(NAME)
    assert "which others have and darwin has not" in finding.message


def test_a_dependency_is_not_the_users_to_change() -> None:
    finding = missing(EPOLL, file="../go/pkg/mod/ex.org/poll@v1.0.0/poll.go").finding(NAME)
    assert [fix.text for fix in finding.fix] == [
        "Take a version of the module that supports darwin; this one does not."
    ]


@pytest.mark.parametrize("systems", [[], ["darwin"], ["darwin", "linux"]])
def test_names_that_no_system_or_this_one_has(systems: list[str]) -> None:
    """PERF_EVENT_IOC_ENABLE, say, is in golang.org/x/sys/unix alone."""
    assert missing({"PERF_EVENT_IOC_ENABLE": systems}).findings() == []


def test_only_the_names_of_the_other_system_are_told() -> None:
    finding = missing({"NOWHERE": [], **EPOLL}).finding(NAME)
    assert finding.message.startswith("./poll.go:12 uses syscall.EpollWait, which linux has")


def test_a_build_that_succeeded_says_nothing() -> None:
    scene = Scene(status=0, env={"GOOS": "darwin"})
    scene.story.writes(1, "# ex\n./a.go:1:1: undefined: syscall.EpollWait\n")
    scene.go_env(GOOS="darwin")
    scene.story.fact("syscall_names", "/usr/local/go/src/syscall", systems=EPOLL, pid=1)
    assert scene.findings() == []
