"""The environment `overlay`: its settings, what it lacks, and when apt has package lists fetched.

tests/integration/test_overlay.py enters it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gotrace.scenario import apt
from gotrace.scenario.environments import LastingSpace, kinds, overlay, space
from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Overlay, Plan

WORK = Path("/somewhere/act")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What apt fetches is kept here."""
    monkeypatch.setattr(apt, "FOLDER", tmp_path / "kept/apt")
    return tmp_path / "kept/apt"


def plan(settings: dict[str, Any]) -> Plan:
    return msgspec.json.decode(space("overlay").plan(settings, WORK).program()[-2], type=Plan)


def test_it_is_the_kind_in_which_an_acts_programs_are_together() -> None:
    assert [kind for kind in kinds() if isinstance(space(kind), LastingSpace)] == ["overlay"]


def test_without_packages_apt_has_no_part_in_it(folder: Path) -> None:
    keep = ["$WORK", "$GOCACHE", "/somewhere/recordings"]
    assert plan({"hide": ["gcc"], "texts": {"/etc/motd": "x"}}) == Plan(
        work=str(WORK), mount=True, overlay=Overlay(keep=keep), hide=["gcc"], texts={"/etc/motd": "x"}
    )
    assert not folder.exists()


@pytest.mark.parametrize("settings", [{"remove": ["gcc"]}, {"install": ["gcc"]}, {"install": "printed"}])
def test_with_packages_what_apt_fetches_is_kept(folder: Path, settings: dict[str, Any]) -> None:
    made = plan(settings)
    assert made.overlay is not None
    assert made.overlay.bind == {"/var/cache/gotrace-apt": str(folder)}
    assert made.texts == dict(apt.TEXTS)
    assert (folder / "lists").is_dir()


@pytest.mark.parametrize("settings", [{"install": "asked"}, {"install": 1}, {"remove": "gcc"}, {"holding": ["x"]}])
def test_what_is_no_setting(settings: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError, match="environment overlay: "):
        space("overlay").lacks(settings)


@pytest.mark.parametrize(
    ("settings", "performed"),
    [
        ({}, ()),
        ({"install": ["a", "b:arm64"]}, ("apt-get", "install", "-y", "a", "b:arm64")),
        ({"install": "printed"}, ("apt-get install", "as printed")),
        ({"install": "printed", "holding": "a b"}, ("a b", "as printed")),
    ],
)
def test_what_is_performed(settings: dict[str, Any], performed: tuple[str, ...]) -> None:
    given = msgspec.convert(settings, overlay._Overlay)
    for first in [(), ("sudo",)]:

        def printed(holding: str, first: tuple[str, ...] = first) -> Sequence[str]:
            return (*first, holding, "as printed")

        assert overlay._installs(given, printed) == performed


def test_an_ordinary_user_is_told_who_could(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (lack,) = space("overlay").lacks({"hide": ["gcc"]})
    assert lack.startswith("needs root, to install packages in an overlay of this machine")


def test_a_machine_without_apt_is_told_which_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "_lacks_rights", list)
    monkeypatch.setenv("PATH", "/nowhere")
    assert space("overlay").lacks({"hide": ["gcc"]}) == []
    assert space("overlay").lacks({"remove": ["gcc"]}) == ["apt-get is missing: run it on a Debian or an Ubuntu"]


@pytest.mark.parametrize("which", [".", "..", "archives"])
def test_a_folder_in_which_others_could_write_is_not_used(folder: Path, which: str) -> None:
    place = Path(os.path.normpath(apt.ready() / which))
    place.chmod(0o777)
    with pytest.raises(ScenarioError, match="others could write in") as caught:
        apt.ready()
    assert caught.value.remedy == f"remove it: rm -r {place}"


def test_a_link_in_its_place_is_not_followed(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(parents=True)
    folder.symlink_to("elsewhere")
    with pytest.raises(ScenarioError, match="others could write in"):
        apt.ready()


class Machine:
    """Stands for apt-get: notes what is run, and answers as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[tuple[int, str]]) -> None:
        self.ran: list[str] = []
        self._answers = answers
        monkeypatch.setattr(subprocess, "run", self.run)

    def run(self, words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        command = words[words.index("--") + 1 :]
        self.ran.append(" ".join(command))
        answers = self._answers.get(command[1], [])
        status, text = answers.pop(0) if answers else (0, "")
        return subprocess.CompletedProcess(words, status, text)


INSTALL = ["apt-get", "install", "-y", "gcc"]
UPDATE = ["apt-get update", "apt-get autoclean -y"]


@pytest.mark.parametrize(("days", "before"), [(None, UPDATE), (2, []), (4, UPDATE)])
def test_lists_that_are_missing_or_old_are_fetched_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, days: int | None, before: list[str]
) -> None:
    stamp = apt.ready() / "updated"
    if days is not None:
        stamp.touch()
        os.utime(stamp, (time.time() - days * 86400,) * 2)
    machine = Machine(monkeypatch)
    apt.Apt(Plan()).perform(INSTALL)
    assert machine.ran == [*before, "apt-get install -y gcc"]
    assert time.time() - (folder / "updated").stat().st_mtime < 3 * 86400


def test_what_the_archive_has_replaced_is_asked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt.ready() / "updated").touch()
    machine = Machine(monkeypatch, install=[(100, "E: Failed to fetch ...  404  Not Found")])
    apt.Apt(Plan()).perform(INSTALL)
    assert machine.ran == ["apt-get install -y gcc", *UPDATE, "apt-get install -y gcc"]
    assert (folder / "lock").exists()


def test_why_it_failed_is_told_also_that_there_are_no_lists(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt.ready()
    unreachable = "W: Failed to fetch http://d/InRelease  Temporary failure resolving 'd'"
    refused = "Reading package lists...\nE: Unable to locate package gcc\n"
    Machine(monkeypatch, update=[(0, f"Ign:1\n{unreachable}\n")], install=[(100, refused)])
    with pytest.raises(ScenarioError) as caught:
        apt.Apt(Plan()).perform(INSTALL)
    assert caught.value.message == (
        "environment overlay: apt-get install -y gcc: exit status 100: E: Unable to locate package gcc; "
        f"apt-get update: {unreachable}"
    )
    assert not (folder / "updated").exists()


def test_only_installed_packages_are_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt.ready()
    states = "installed gcc\nconfig-files tcc\nnot-installed clang\n"
    machine = Machine(monkeypatch, **{"-W": [(1, states)]})
    apt.Apt(Plan()).remove(["gcc", "tcc", "clang", "nothing"])
    assert machine.ran[1:] == ["apt-get remove -y gcc"]
    machine = Machine(monkeypatch, **{"-W": [(1, "")]})
    apt.Apt(Plan()).remove(["tcc"])
    assert len(machine.ran) == 1
    assert folder.is_dir()
