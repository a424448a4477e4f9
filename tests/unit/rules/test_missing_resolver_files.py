"""missing-resolver-files: look-ups without resolv.conf and hosts."""

from __future__ import annotations

import pytest

from tests.unit.rules.programs import IMAGE, Program
from tests.unit.rules.scenes import lines, proof

SERVERS, ORDER, HOSTS = "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts"
REFUSED = "dial tcp: lookup db on [::1]:53: read udp [::1]:5->[::1]:53: read: connection refused"
NAME = "missing-resolver-files"


def test_the_fallback_is_asked() -> None:
    program = Program(mount_namespace=IMAGE)
    program.misses(SERVERS, ORDER, HOSTS)
    program.says(REFUSED)
    finding = program.finding(NAME)
    assert "app found no db: /etc/resolv.conf and /etc/hosts are not among the files" in finding.message
    assert "asks itself, at [::1]:53" in finding.message
    assert all(path in proof(finding) for path in (SERVERS, ORDER, HOSTS))


def test_a_root_folder_gets_the_files_by_a_command() -> None:
    program = Program(root="/srv/root")
    program.misses(SERVERS, HOSTS)
    program.says(REFUSED)
    assert lines(program.finding(NAME)) == ["install -D -m 644 -t /srv/root/etc /etc/resolv.conf /etc/hosts"]


def test_the_c_library_names_no_server() -> None:
    program = Program()
    program.misses(SERVERS)
    program.says("lookup db.example.com: Temporary failure in name resolution")
    assert "app found no db.example.com: /etc/resolv.conf is not among the files" in program.finding(NAME).message


def test_localhost_without_hosts() -> None:
    program = Program()
    program.misses(HOSTS)
    program.says("lookup localhost on 10.0.0.2:53: no such host")
    assert "asked the name server 10.0.0.2:53 for a name that only that file has" in program.finding(NAME).message


@pytest.mark.parametrize(
    ("missed", "said"),
    [
        ((SERVERS,), "lookup db on 10.0.0.2:53: no such host"),  # the file came later
        ((HOSTS, ORDER), "lookup db on 10.0.0.2:53: no such host"),
        ((ORDER,), "lookup localhost on 127.0.0.1:53: no such host"),
        ((SERVERS, HOSTS), "panic: another reason"),
    ],
)
def test_what_was_not_missed_is_no_reason(missed: tuple[str, ...], said: str) -> None:
    program = Program()
    program.misses(*missed)
    program.says(said)
    assert program.findings() == []


def test_who_copes_is_well() -> None:
    program = Program()
    program.misses(SERVERS, HOSTS)
    program.says(REFUSED)
    assert program.findings(status=0) == []
