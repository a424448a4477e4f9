"""For which systems package syscall declares what a build missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts.builds import go_builds
from gotrace.capture.facts.found import Found
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.syscall_names import syscall_name_facts
from tests.stories import Story

SOURCES = {
    "syscall_linux.go": "package syscall\n\nfunc EpollWait(epfd int) {\n}\n",
    "zerrors_linux_arm64.go": "package syscall\n\nconst (\n\tEPOLL_CLOEXEC = 1\n\tEPOLLET = 2\n)\n",
    "ztypes_darwin_amd64.go": "package syscall\n\ntype Kevent_t struct {\n}\n",
    "zerrors_freebsd_386.go": "package syscall\n\nconst (\n\tO_SHLOCK uint32 = 1\n)\n",
    "ztypes_freebsd_386.go": "package syscall\n\ntype Kevent_t struct {\n}\n",
    "exec_unix.go": "//go:build unix\n\npackage syscall\n\nfunc Exec(name string) {\n\tEPOLL()\n}\n",
    "net.go": "package syscall\n\ntype RawConn interface {\n}\n",
    "syscall_linux_test.go": "package syscall\n\nfunc Helper() {\n}\n",
}


def facts(folder: Path, *names: str, goroot: str | None = None) -> list[Found]:
    (folder / "src" / "syscall").mkdir(parents=True, exist_ok=True)
    for name, source in SOURCES.items():
        (folder / "src" / "syscall" / name).write_text(source)
    story = Story()
    go = story.starts("go", "build", path="/usr/local/go/bin/go", cwd="/src")
    story.says(go, "# p\n" + "".join(f"./a.go:1:1: undefined: {name}\n" for name in names))
    story.ends(go, status=1)
    (build,) = go_builds(Processes(story.events), {}, "/src")
    return list(syscall_name_facts(build, {"GOROOT": str(folder) if goroot is None else goroot}))


@pytest.mark.parametrize(
    ("name", "systems"),
    [
        ("EpollWait", ["linux"]),
        ("EPOLL_CLOEXEC", ["linux"]),
        ("Kevent_t", ["darwin", "freebsd"]),
        ("O_SHLOCK", ["freebsd"]),
        ("Exec", ["unix"]),
        ("EPOLL", []),
        ("Helper", []),
        ("NOWHERE", []),
    ],
)
def test_the_systems_of_the_files_that_declare_it(name: str, systems: list[str], tmp_path: Path) -> None:
    (fact,) = facts(tmp_path, f"syscall.{name}")

    assert (fact.name, fact.subject) == ("syscall_names", str(tmp_path / "src" / "syscall"))
    assert fact.data["systems"] == {name: systems}


def test_only_names_of_package_syscall(tmp_path: Path) -> None:
    assert facts(tmp_path, "hasDTrace", "unix.EpollWait") == []
    assert facts(tmp_path, "syscall.EpollWait", goroot="") == []


def test_sources_that_are_not_there_declare_nothing(tmp_path: Path) -> None:
    (fact,) = facts(tmp_path, "syscall.EpollWait", goroot=str(tmp_path / "nowhere"))
    assert fact.data["systems"] == {"EpollWait": []}
