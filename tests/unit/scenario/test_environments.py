"""Environments: what their settings become, and what is no setting. tests/integration/test_spaces.py enters them."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gotrace.scenario import suites
from gotrace.scenario.environments import base, kinds, musl_root, space
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan, Root

WORK = Path("/somewhere/act")


def plan(kind: str, settings: Mapping[str, Any]) -> Plan:
    """What `enter` is told, on its way there and back."""
    words = space(kind).plan(settings, WORK).program()
    assert words[-1] == "--"
    return msgspec.json.decode(words[-2], type=Plan)


def test_the_folder_is_the_registry() -> None:
    there = ("chroot", "host", "mount", "musl", "musl-root", "netns", "overlay", "rlimit", "scratch", "seccomp")
    assert kinds() == there
    assert [space(kind).kind for kind in kinds()] == [*kinds()]


@pytest.mark.parametrize("kind", ["moon", "base", "", "musl_root"])
def test_another_kind_is_an_error_that_names_those_there_are(kind: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        space(kind)
    assert repr(kind) in caught.value.message
    assert "netns" in caught.value.remedy


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind != "rlimit"])
@pytest.mark.parametrize("method", ["lacks", "plan"])
def test_an_unknown_setting_is_an_error(kind: str, method: str) -> None:
    more = () if method == "lacks" else (WORK,)
    with pytest.raises(ScenarioError, match=r"unknown field `hidden`|contains unknown field|missing required field"):
        getattr(space(kind), method)({"hidden": ["x"]}, *more)


def test_only_the_command_runs_in_another_root() -> None:
    assert [kind for kind in kinds() if space(kind).around_command] == ["chroot", "musl-root", "scratch"]


def test_the_host_needs_no_program_in_front() -> None:
    assert space("host").plan({}, WORK).program() == []
    assert space("host").lacks({}) == []


def test_mount() -> None:
    settings = {"hide": ["gcc"], "tmpfs": {"$WORK/cache": "300k"}, "noexec": ["$WORK"], "path": "$WORK/bin:$PATH"}
    assert plan("mount", settings) == Plan(
        work=str(WORK),
        mount=True,
        hide=["gcc"],
        tmpfs={"$WORK/cache": 300 * 1024},
        noexec=["$WORK"],
        variables={"PATH": "$WORK/bin:$PATH"},
    )


@pytest.mark.parametrize(
    ("given", "bytes_"), [(8192, 8192), ("8192", 8192), ("300k", 307200), ("1M", 1 << 20), ("2g", 2 << 30)]
)
def test_sizes(given: str | int, bytes_: int) -> None:
    assert base.size("mount", "tmpfs", given) == bytes_


@pytest.mark.parametrize("given", ["", "1t", "-1", "a lot", "1.5m"])
def test_what_is_no_size(given: str) -> None:
    with pytest.raises(ScenarioError, match=r"environment mount: tmpfs: .* is no size"):
        plan("mount", {"tmpfs": {"/x": given}})


@pytest.mark.parametrize(
    ("dns", "texts", "hide"),
    [
        ("none", {}, ["/etc/resolv.conf"]),
        ("broken", {"/etc/resolv.conf": "nameserver 127.0.0.1\n"}, []),
        ("192.0.2.7", {"/etc/resolv.conf": "nameserver 192.0.2.7\n"}, []),
        ("fd00::1", {"/etc/resolv.conf": "nameserver fd00::1\n"}, []),
    ],
)
def test_netns(
    dns: str, texts: dict[str, str], hide: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = tmp_path / "resolv.conf"
    there.touch()
    made = plan("netns", {"dns": dns})
    assert (made.mount, made.network, made.loopback, made.texts) == (True, True, True, texts)
    assert made.hide == (hide if Path("/etc/resolv.conf").exists() else [])


def test_a_name_server_is_an_address() -> None:
    with pytest.raises(ScenarioError, match="'nowhere' is neither"):
        space("netns").lacks({"dns": "nowhere"})


def test_seccomp() -> None:
    assert plan("seccomp", {"errno": {"getpid": "ENOSYS", "openat2": "EPERM"}}).refuse == {
        39: errno.ENOSYS,
        437: errno.EPERM,
    }


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"opennat": "ENOSYS"}, "'opennat' is no system call"),
        ({"execve": "ENOSYS"}, "'execve' is no system call that can be refused"),
        ({"openat": "SILENCE"}, "'SILENCE' is no error's name"),
        ({"openat": "ENOSUCHERROR"}, "'ENOSUCHERROR' is no error's name"),
    ],
)
def test_what_seccomp_cannot_refuse(settings: dict[str, str], about: str) -> None:
    with pytest.raises(ScenarioError, match=about):
        plan("seccomp", {"errno": settings})


def test_rlimit() -> None:
    settings = {"as": "200m", "nofile": 16, "core": "unlimited"}
    assert plan("rlimit", settings).limits == {"as": 200 << 20, "nofile": 16, "core": -1}


def test_an_unknown_limit_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ScenarioError, match="no limit 'files'") as caught:
        space("rlimit").lacks({"files": 16})
    assert "nofile" in caught.value.remedy


def test_a_limit_that_cannot_be_raised_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (8, 8))
    lacks = space("rlimit").lacks({"nofile": 16, "nproc": 4, "core": "unlimited"})
    assert [one.split(" cannot")[0] for one in lacks] == ["the limit nofile", "the limit core"]


def test_scratch_puts_each_of_a_list_into_the_root() -> None:
    made = plan("scratch", {"files": ["$WORK/app", "/etc/hosts"], "texts": {"/etc/passwd": "root:x:0:0\n"}})
    files = {"/app": "$WORK/app", "/hosts": "/etc/hosts"}
    assert made.root == Root(files=files, texts={"/etc/passwd": "root:x:0:0\n"})


@pytest.mark.parametrize("files", [{"app": "$WORK/app"}, {"/../app": "$WORK/app"}])
def test_scratch_has_absolute_paths(files: dict[str, str]) -> None:
    with pytest.raises(ScenarioError, match="no absolute path"):
        space("scratch").lacks({"files": files})


def test_a_root_of_musl_has_its_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Path("/lib/ld-musl-x86_64.so.1")
    monkeypatch.setattr(musl_root, "loaders", lambda: [loader])
    made = plan("musl-root", {"files": {"/app": "$WORK/app"}})
    assert made.root == Root(files={str(loader): str(loader), "/app": "$WORK/app"})


def test_an_own_root_is_a_path() -> None:
    made = plan("chroot", {"name": "/srv/root", "bind": ["/opt"]}).root
    assert made is not None
    assert made.folder == "/srv/root"
    assert made.bind[:2] == ["$WORK", "$GOCACHE"]
    assert made.bind[-1] == "/opt"


def test_texts_of_another_root_are_changed_before_it_is_entered() -> None:
    made = plan("chroot", {"name": "/srv/root", "texts": {"/etc/nsswitch.conf": "hosts: files\n"}})
    assert made.texts == {"/srv/root/etc/nsswitch.conf": "hosts: files\n"}


@pytest.mark.parametrize("settings", [{"name": "--help"}, {"name": "bullseye", "include": ["--help"]}])
def test_no_option_of_debootstrap_passes_for_a_suite(settings: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError, match="'--help' is no name"):
        space("chroot").lacks(settings)


def test_a_relative_root_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="neither a suite nor an absolute path"):
        plan("chroot", {"name": "root/of/mine"})


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A root that was fetched before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(suites, "_ALL_USERS", tmp_path / "of-root")
    folder = tmp_path / "gotrace/chroots/bullseye+gcc+libc6-dev"
    (folder / "etc").mkdir(parents=True)
    return folder


def test_a_suite_that_is_kept_is_not_fetched_again(kept: Path) -> None:
    made = plan("chroot", {"name": "bullseye"}).root
    assert made is not None
    assert made.folder == str(kept)


def test_what_root_has_fetched_is_everybodys(kept: Path, tmp_path: Path) -> None:
    kept.rename(tmp_path / kept.name)
    (tmp_path / "of-root").mkdir()
    (tmp_path / kept.name).rename(tmp_path / "of-root" / kept.name)
    assert suites.lacks(suites.Suite("bullseye", ("gcc", "libc6-dev"))) == []


def test_other_packages_are_another_root(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (lack,) = [one for one in suites.lacks(suites.Suite("bullseye", ("tcc",))) if "root" in one]
    assert lack == "needs root once, to fetch bullseye by debootstrap: run this scenario as root"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
        ("user/max_user_namespaces", "96365", ""),
    ],
)
def test_the_switch_that_forbids_user_namespaces_is_named(tmp_path: Path, name: str, value: str, advice: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(f"{value}\n")
    assert base._advice(tmp_path) == (f" (sysctl {advice} allows them)" if advice else "")


def test_what_the_kernel_refuses_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_tried", lambda *_: "gotrace: this environment cannot be set up: cannot make it")
    asked: dict[str, dict[str, Any]] = {
        "mount": {},
        "netns": {},
        "scratch": {"files": []},
        "chroot": {"name": "/srv"},
    }
    for kind, settings in asked.items():
        (lack,) = space(kind).lacks(settings)
        assert lack.startswith("needs root or user namespaces: cannot make it")
