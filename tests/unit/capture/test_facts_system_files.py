"""Facts of the files that programs ask a system for, on this machine as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts import system_files
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.system_files import name_lookup_facts, system_file_facts
from gotrace.events.model import Exec, Exit, KnownEvent, Output

_GO = b"\0runtime.main\0time/tzdata.loadFromEmbeddedTZData\0"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    path.write_bytes(_GO)
    return path


def run(program: Path, said: str = "", status: int = 1) -> list[KnownEvent]:
    start = Exec(ts_ns=1, pid=7, path=f"./{program.name}", argv=("./app",), env={}, cwd=str(program.parent))
    return [start, Output(ts_ns=2, pid=7, text=said), Exit(ts_ns=99, pid=7, status=status)]


def asked(monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
    monkeypatch.setattr(system_files, "_text", files.get)


def test_a_failed_program_of_go_is_described_with_its_system(program: Path) -> None:
    events = run(program)
    parts, system = system_file_facts(Processes(events), events)
    assert (parts.name, parts.subject, parts.data, parts.pid) == (
        "go_program", str(program), {"parts": ["time zones"]}, 7,
    )  # fmt: skip
    assert (system.name, system.pid) == ("system_files", 7)
    assert system.data["passwd"] is Path("/etc/passwd").exists()
    assert system.data["temporary"]["/tmp"] == "there"
    assert set(system.data["time_zones"]) <= {"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ",
                                              "/etc/zoneinfo"}  # fmt: skip
    assert all(Path(path).is_dir() for path in system.data["time_zones"])
    assert all(Path(path).exists() for path in system.data["certificates"])


def test_nothing_is_asked_of_what_ended_well_or_is_not_of_go(program: Path) -> None:
    events = run(program, status=0)
    assert system_file_facts(Processes(events), events) == []
    program.write_bytes(b"#!/bin/sh\n")
    events = run(program)
    assert system_file_facts(Processes(events), events) == []


def test_of_resolver_files_only_addresses_and_sources_are_kept(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/etc/resolv.conf": "# ours\nsearch secret.example\nnameserver 10.0.0.2\nnameserver fe80::1\nnameserver x\n",
        "/etc/nsswitch.conf": "passwd: files sss\nhosts: files mdns4_minimal [NOTFOUND=return] dns nope # all\n",
    }
    asked(monkeypatch, files)
    events = run(program)
    data = system_file_facts(Processes(events), events)[1].data
    assert data["name_servers"] == ["10.0.0.2", "fe80::1"]
    assert data["hosts_sources"] == ["files", "mdns4_minimal", "dns", "nope"]
    assert data["modules"]["nope"] is None


def test_no_such_files_are_none(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, {})
    events = run(program)
    data = system_file_facts(Processes(events), events)[1].data
    assert (data["name_servers"], data["hosts_sources"], data["modules"]) == (None, None, {})


def test_the_c_library_is_asked_for_names_that_gos_resolver_missed(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(monkeypatch, {"/etc/nsswitch.conf": "hosts: files gotrace\n"})
    said = "lookup localhost on 127.0.0.1:53: no such host\nlookup gotrace.invalid on 127.0.0.1:53: no such host\n"
    found = {fact.subject: fact.data["addresses"] for fact in name_lookup_facts(Processes(run(program, said)))}
    assert set(found["localhost"]) & {"127.0.0.1", "::1"}
    assert found.get("gotrace.invalid", []) == []


@pytest.mark.parametrize("line", ["hosts: files dns", "passwd: files", "hosts: files gotrace"])
def test_nobody_is_asked_where_the_resolvers_do_the_same_or_nothing_failed(
    program: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    asked(monkeypatch, {"/etc/nsswitch.conf": line})
    said = "" if "gotrace" in line else "lookup localhost on 127.0.0.1:53: no such host\n"
    assert list(name_lookup_facts(Processes(run(program, said)))) == []


def test_a_name_that_could_be_an_option_is_not_asked_for(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, {"/etc/nsswitch.conf": "hosts: files gotrace\n"})
    said = "lookup --help on 127.0.0.1:53: no such host\n"
    assert list(name_lookup_facts(Processes(run(program, said)))) == []
