"""refused-by-security-module: concluded from what else allows the call; the modules are told apart."""

from __future__ import annotations

from errno import EACCES, ENOENT, EPERM
from typing import Any

import pytest

from gotrace.events.model import Exec, SyscallError
from gotrace.rules.finding import Severity
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out

NAME = "refused-by-security-module"
PATH = "/data/token"
ALL, NONE = "000001ffffffffff", "0000000000000000"
APPARMOR: dict[str, Any] = {"label": "docker-default (enforce)"}
SELINUX: dict[str, Any] = {"label": "system_u:system_r:container_t:s0:c1,c2"}
FILTER: dict[str, Any] = {"seccomp": "filter", "filters": 1}


def refused(
    *modules: str,
    allowed: str = "process",
    wanted: str = "read",
    files: tuple[str, ...] = (PATH,),
    before: str = "",
    **told: Any,
) -> Program:
    """A program that fails as it may not open a file; `modules` are active, `told` is what else is known of them.

    `before`: a file that it looked for and that was not there.
    """
    program = Program()
    program.misses(*filter(None, [before]), errno=ENOENT)
    program.misses(PATH, errno=EACCES)
    data: dict[str, Any] = {"syscall": "openat", "wanted": wanted, "allowed": allowed, "files": list(files)}
    program.fact("permission", PATH, **data)
    program.fact("security_modules", active=["capability", *modules], **told)
    return program


def confined(program: Program, *, seen: bool = True, **more: Any) -> Program:
    data: dict[str, Any] = {
        "capabilities": NONE,
        "seccomp": "off",
        "no_new_privs": True,
        "seen": seen,
        "pid": PID,
    } | more
    program.fact("confinement", **data)
    return program


def names(program: Program, **how: Any) -> list[str]:
    return [found.name for found in program.findings(**how)]


def test_landlock_is_named_where_nothing_else_confines_the_process() -> None:
    found = confined(refused("landlock", "bpf")).finding(NAME)
    assert found.message == (
        f"app was refused openat of {PATH} (EACCES), and it gave up: file permissions allow this process to read it, "
        "so it is a security module that forbids it: Landlock, most probably."
    )
    assert found.confidence == 0.7
    assert f"setpriv --landlock-rule path-beneath:read-file:{PATH}; landrun --ro {PATH}" in ways_out(found)
    assert "journalctl --dmesg --grep blockers=" in ways_out(found)


def test_who_is_known_to_sandbox_by_landlock_makes_it_surer() -> None:
    program = confined(refused("landlock"))
    start = program.events[0]
    assert isinstance(start, Exec)
    program.events.insert(0, Exec(ts_ns=1, pid=PID, path="/usr/bin/landrun", argv=("landrun", "--ro", "/usr"), cwd="/"))
    found = program.finding(NAME)
    assert "so it is a security module that forbids it: Landlock." in found.message
    assert found.confidence == 0.8  # that the program ended by it is no surer than that


def test_a_process_that_may_gain_privileges_is_seldom_in_a_sandbox() -> None:
    assert confined(refused("landlock"), no_new_privs=False).finding(NAME).confidence == 0.6
    assert confined(refused("landlock"), no_new_privs=False, capabilities=ALL).finding(NAME).confidence == 0.7


def test_apparmor_is_known_by_its_profile() -> None:
    found = confined(refused("landlock", "apparmor"), **APPARMOR).finding(NAME)
    assert "it is AppArmor that forbids it, which confines the process by the profile docker-default" in found.message
    assert found.confidence == 0.8
    assert f"Allow it in the profile docker-default: `{PATH} r,`" in ways_out(found)
    assert "--security-opt apparmor=PROFILE" in ways_out(found)
    assert 'journalctl --dmesg --grep apparmor="DENIED"' in ways_out(found)


@pytest.mark.parametrize("label", ["unconfined", "/usr/sbin/cupsd (complain)", "docker-default (unconfined)"])
def test_a_profile_that_forbids_nothing_is_not_blamed(label: str) -> None:
    assert names(confined(refused("apparmor"), label=label)) == []
    assert "Landlock" in confined(refused("apparmor", "landlock"), label=label).finding(NAME).message


def test_selinux_is_known_by_its_type() -> None:
    found = confined(refused("selinux"), **SELINUX).findings()
    assert found == []  # nothing says that it enforces
    found = confined(refused("selinux", selinux_enforces=True), **SELINUX).findings()
    assert "it is SELinux that forbids it, which confines the process as container_t" in found[0].message
    assert f"restorecon -v {PATH}" in ways_out(found[0])
    assert ":z (or :Z for this container alone)" in ways_out(found[0])
    assert "ausearch --message avc --start recent" in ways_out(found[0])


def test_selinux_lets_its_unconfined_types_pass() -> None:
    label = "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"
    assert names(confined(refused("selinux", selinux_enforces=True), label=label)) == []


def test_of_a_process_that_was_gone_too_soon_both_may_be_it() -> None:
    program = confined(refused("apparmor", "landlock"), seen=False, label="unconfined")
    assert "AppArmor or Landlock, most probably" in program.finding(NAME).message


def test_a_module_that_nobody_knows_more_of() -> None:
    found = confined(refused("tomoyo")).finding(NAME)
    assert "a security module that forbids it: TOMOYO, most probably" in found.message
    assert "dmesg --ctime" in ways_out(found)


def test_without_a_module_nobody_is_blamed() -> None:
    assert names(confined(refused("yama", "lockdown"))) == []
    program = Program()
    program.misses(PATH, errno=EACCES)
    assert program.findings() == []


def test_a_file_that_refuses_by_its_mode_is_another_matter() -> None:
    program = Program()
    program.misses(PATH, errno=EACCES)
    program.fact("security_modules", active=["landlock"])
    assert names(confined(program)) == []


def test_a_fact_of_another_path_or_call_proves_nothing() -> None:
    program = refused("landlock")
    program.misses("/data/other", errno=EACCES)
    assert names(confined(program)) == []
    program = refused("landlock")
    program.misses(PATH, syscall="truncate", errno=EACCES)
    assert program.finding(NAME).message.startswith("app was refused openat")


def test_a_filter_that_may_have_answered() -> None:
    assert names(confined(refused("landlock"), **FILTER)) == []
    passed = refused("landlock", before="/etc/nothing")
    assert names(confined(passed, **FILTER)) == [NAME]
    assert confined(refused("apparmor"), **FILTER, **APPARMOR).finding(NAME).confidence == 0.7


def test_a_program_that_ends_well_or_goes_on_is_none_of_our_business() -> None:
    assert names(confined(refused("landlock")), status=0) == []
    program = confined(refused("landlock"))
    program._now += 2_000_000_000
    assert names(program) == []
    assert names(confined(refused("landlock")), running=False) == []


def test_a_folder_in_which_a_file_was_to_be_made() -> None:
    program = refused("landlock", allowed="everybody", wanted="make or remove names in", files=("/data",))
    found = confined(program).finding(NAME)
    assert "file permissions allow everybody to make or remove names in /data" in found.message
    assert "landrun --rw /data" in ways_out(found)


def test_a_program_that_may_not_be_executed_names_its_loader() -> None:
    program = Program()
    program.events.append(Exec(**program._common(), path="tool", argv=("tool",), error=EACCES))
    loader = "/lib64/ld-linux-x86-64.so.2"
    program.fact(
        "permission", "tool", syscall="execve", wanted="execute", allowed="process", files=["/srv/tool", loader]
    )
    program.fact("security_modules", active=["landlock"])
    found = confined(program).finding(NAME)
    assert found.message.startswith("app may not execute /srv/tool (execve, EACCES), and it gave up: ")
    assert f"allow this process to execute it and {loader}, so it is" in found.message
    assert f"Allow /srv/tool and {loader} where the program" in ways_out(found)


def test_a_filter_may_have_refused_to_execute_it() -> None:
    program = Program()
    program.events.append(Exec(**program._common(), path="tool", argv=("tool",), error=EACCES))
    program.fact("permission", "tool", syscall="execve", wanted="execute", allowed="process", files=["/srv/tool"])
    program.fact("security_modules", active=["landlock"])
    assert names(confined(program, **FILTER)) == []


def bound(*, first: int | None = 1024, said: str = "", landlock: int = 7) -> Program:
    program = Program()
    program.events.append(SyscallError(**program._common(), syscall="bind", errno=EACCES, args=(3, 0, 16)))
    if said:
        program.says(said)
    switch = {"name": "net.ipv4.ip_unprivileged_port_start", "value": first}
    program.fact("kernel_call", "bind", answer="", listed=True, filtered=False, switch=switch)
    program.fact("security_modules", active=["landlock"], landlock=landlock)
    return program


def test_a_port_that_the_process_may_have() -> None:
    found = confined(bound(), capabilities=ALL).finding(NAME)
    assert "app was refused bind (EACCES), and it gave up: it may listen on that port, so it is" in found.message
    assert "LANDLOCK_ACCESS_NET_BIND_TCP" in ways_out(found)
    assert names(confined(bound(landlock=3), capabilities=ALL)) == []  # it knows no TCP
    assert names(confined(bound(), capabilities=ALL, own_users=True)) == []


def test_a_port_that_is_free_to_all() -> None:
    assert names(confined(bound(first=0))) == [NAME]
    assert names(confined(bound(said="listen tcp 127.0.0.1:8080: bind: permission denied"))) == [NAME]
    assert names(confined(bound(said="listen tcp :80: bind: permission denied"))) == ["missing-capability"]
    assert names(confined(bound())) == ["missing-capability"]


def test_lockdown_forbids_what_the_capability_allows() -> None:
    program = Program()
    program.events.append(SyscallError(**program._common(), syscall="iopl", errno=EPERM, args=(3,)))
    program.fact("security_modules", active=["lockdown"], lockdown="integrity")
    found = confined(program, capabilities=ALL).finding(NAME)
    assert "it is lockdown that forbids it: the kernel was locked down (integrity)" in found.message
    assert "Secure Boot" in ways_out(found)


def test_names_that_others_chose_are_cut() -> None:
    found = confined(refused("apparmor"), label=f"{'x' * 5000} (enforce)").finding(NAME)
    assert len(found.message) < 600


@pytest.mark.parametrize("damaged", [{"active": 5}, {"active": ["landlock"], "landlock": "x"}, {}])
def test_facts_of_another_form_are_no_proof(damaged: dict[str, Any]) -> None:
    program = Program()
    program.misses(PATH, errno=EACCES)
    program.fact("permission", PATH, syscall="openat", files=7, wanted=3)
    program.fact("security_modules", **damaged)
    assert set(names(confined(program, label=9, capabilities="?"))) <= {NAME}


@pytest.mark.parametrize(
    ("recording", "what"),
    [
        ("refused-by-landlock", "app was refused openat of /"),
        ("refused-in-a-landlock-sandbox", "app was refused openat of /"),
        ("loader-outside-the-sandbox", "confined may not execute /"),
    ],
)
def test_real_ones(recording: str, what: str) -> None:
    found = finding(recording)
    assert found.name == NAME
    assert found.message.startswith(what)
    assert "Landlock, most probably" in found.message
    assert findings(f"{recording}.fixed") == []


def test_who_lives_on_for_a_moment_is_told_as_such() -> None:
    program = confined(refused("landlock"))
    program._now += 500_000_000
    found = program.finding(NAME)
    assert "(EACCES), and it ended 0.5 s later: file permissions allow" in found.message
    assert found.severity is Severity.WARNING
    program._now += 600_000_000
    assert names(program) == []
