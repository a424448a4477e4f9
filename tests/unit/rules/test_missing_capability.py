"""missing-capability: which one, what for, and how a program gets it."""

from __future__ import annotations

from errno import EACCES, EPERM

import pytest
from msgspec.structs import replace

from gotrace.events.model import Exec, SyscallError
from gotrace.rules.finding import Severity
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out

NAME = "missing-capability"


def refused(syscall: str, errno: int, *, suppressed: bool = False, address: str = "") -> Program:
    """A program that has no capability and fails; `suppressed`: it lost those of its file by being traced."""
    program = Program()
    (start,) = [one for one in program.events if isinstance(one, Exec)]
    program.events[0] = replace(start, suppressed=suppressed)
    args = (3, 0, 16)
    program.events.append(SyscallError(**program._common(), syscall=syscall, errno=errno, args=args, address=address))
    program.fact("confinement", capabilities="0000000000000000", seen=True, pid=PID, uid=1000, limits={"as": [1, 1]})
    program.fact("command", user="somebody")
    return program


def test_a_port_below_1024() -> None:
    found = finding("privileged-port")
    assert found.message.endswith(
        "to listen on a port below 1024 it takes CAP_NET_BIND_SERVICE, which the process has not got."
    )
    assert "setcap cap_net_bind_service+ep /" in ways_out(found)
    assert "--cap-add NET_BIND_SERVICE" in ways_out(found)


def test_another_port_is_free() -> None:
    assert findings("privileged-port.fixed") == []


@pytest.mark.parametrize(("syscall", "errno"), [("bind", EACCES), ("prlimit64", EPERM)])
def test_who_lost_its_privilege_by_being_traced_is_not_blamed(syscall: str, errno: int) -> None:
    found = refused(syscall, errno, suppressed=True).finding(NAME)
    assert found.severity is Severity.WARNING
    assert found.message.startswith("gotrace's own tracing took from app the privilege of its file")
    assert f"it was refused {syscall} (" in found.message
    assert ways_out(found) == "Watch it by eBPF, where it keeps its privilege. gotrace run --sudo -- /srv/app"


def test_who_lost_its_privilege_and_is_well_needs_no_word() -> None:
    assert refused("bind", EACCES, suppressed=True).findings(status=0) == []


def test_the_port_is_told_where_it_is_known() -> None:
    found = refused("bind", EACCES, address="[::]:443").finding(NAME)
    assert "to listen on [::]:443, a port below 1024, it takes CAP_NET_BIND_SERVICE" in found.message
    assert "sudo setcap cap_net_bind_service+ep /srv/app" in ways_out(found)
    assert "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=443" in ways_out(found)


def test_a_port_that_is_not_known_is_not_told() -> None:
    text = ways_out(refused("bind", EACCES).finding(NAME))
    assert "net.ipv4.ip_unprivileged_port_start is 1024, and has to be the port at most." in text
    assert "sysctl" not in text


def test_only_what_matters_of_a_process_is_evidence() -> None:
    found = refused("bind", EACCES).finding(NAME)
    assert '/* confinement: capabilities="0000000000000000" */' in [one.text for one in found.evidence]
