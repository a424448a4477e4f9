"""resolver-choice: the resolver that was not asked knows the name, or was asked and has no module."""

from __future__ import annotations

from typing import Any

from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines, proof

NAME = "resolver-choice"
BY_GO = "lookup db on 10.0.0.2:53: no such host"
BY_LIBC = "lookup db: device or resource busy"
MODULE = "/lib/x86_64-linux-gnu/libnss_myhostname.so.2"


def system(*sources: str, **modules: str | None) -> dict[str, Any]:
    return {"hosts_sources": list(sources), "modules": modules}


def by_go(addresses: list[str], *sources: str, parts: tuple[str, ...] = (), said: str = BY_GO) -> Program:
    program = Program(parts=parts, system=system(*sources), argv=("./app", "-v"))
    program.says(said)
    program.fact("name_lookup", "db", addresses=addresses)
    return program


def test_the_c_library_finds_what_go_does_not() -> None:
    finding = by_go(["192.0.2.7"], "files", "sss", "mymachines").finding(NAME)
    assert "built without the C library's. That reads /etc/hosts" in finding.message
    assert "skips sss and mymachines of the line hosts:" in finding.message
    assert lines(finding) == []


def test_a_program_with_both_is_told_to_use_the_other() -> None:
    finding = by_go(["192.0.2.7"], "files", "sss", parts=("cgo resolver",)).finding(NAME)
    assert lines(finding) == ["env GODEBUG=netdns=cgo ./app -v"]


def test_a_name_that_nobody_finds_is_no_matter_of_choice() -> None:
    assert by_go([], "files", "sss").findings() == []
    assert by_go(["192.0.2.7"], "files", "dns").findings() == []


def test_a_name_server_that_did_not_answer_is_another_reason() -> None:
    said = "lookup db on 10.0.0.2:53: read udp 10.0.0.9:5->10.0.0.2:53: i/o timeout"
    assert by_go(["192.0.2.7"], "files", "sss", "dns", said=said).findings() == []
    assert by_go(["192.0.2.7"], "files", "sss", said=said).finding(NAME)
    assert "getent ahosts db: 192.0.2.7" in proof(by_go(["192.0.2.7"], "files", "sss", "dns").finding(NAME))


def test_a_module_that_is_not_installed() -> None:
    program = Program(parts=("cgo resolver",), system=system("myhostname", myhostname=None), argv=("./app",))
    program.misses(MODULE, MODULE.replace("/lib/", "/usr/lib/"))
    program.says(BY_LIBC)
    finding = program.finding(NAME)
    assert "libnss_myhostname.so.2, which would do that, is in none of the 2 places" in finding.message
    assert lines(finding) == ["env GODEBUG=netdns=go ./app", "apt-get install -y libnss-myhostname"]


def test_a_module_that_nobody_asked_for_now_or_that_is_there_is_none() -> None:
    for known in (system("files", "dns"), system("myhostname", myhostname=MODULE), None):
        program = Program(parts=("cgo resolver",), system=known)
        program.misses(MODULE)
        program.says(BY_LIBC)
        assert program.findings() == []


def test_a_name_server_that_knows_no_such_name_has_answered() -> None:
    program = Program(parts=("cgo resolver",), system=system("files", "myhostname", "dns", myhostname=None))
    program.misses(MODULE)
    program.says("lookup db: no such host")
    assert program.findings() == []


def test_without_resolv_conf_that_comes_first() -> None:
    program = Program(parts=("cgo resolver",), system=system("myhostname", myhostname=None), mount_namespace=IMAGE)
    program.misses("/etc/resolv.conf", MODULE)
    program.says(BY_LIBC)
    (first,) = program.findings()
    assert first.name == "missing-resolver-files"
    assert [one.name for one in first.consequences] == [NAME]
