"""noexec-library: code that may not be mapped, or executed, from where it lies."""

from __future__ import annotations

from errno import EACCES, EPERM

from gotrace.events.model import SyscallError
from tests.unit.rules.loaded import APP, PID, Loaded, Refused
from tests.unit.rules.scenes import lines, proof

WORK = {"path": "/srv/tmp/libwork.so", "searched": True}


def program(*, noexec: bool = True) -> Loaded:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        common = run.common()
        run.events.append(SyscallError(**common, syscall="mmap", errno=EPERM, args=(0, 4096, 5, 2050, 3, 4096)))
        run.opens("tmp/libwork.so", error="tmp/libwork.so: failed to map segment from shared object")
    run.lies("libwork.so", WORK | ({"noexec": "/srv/tmp"} if noexec else {}))
    return run


def test_a_library_that_is_opened() -> None:
    finding = program().finding("noexec-library", 1)

    assert finding.message == (
        "app may not map the code of /srv/tmp/libwork.so: the file system on /srv/tmp is mounted with noexec."
    )
    assert "mmap(" in proof(finding)
    assert lines(finding) == ["mount -o remount,exec /srv/tmp"]
    assert PID in {one.pid for one in finding.evidence}


def test_where_execution_is_allowed_it_is_something_else() -> None:
    assert program(noexec=False).findings(1) == []


def test_a_library_that_the_program_needs() -> None:
    run = Loaded()
    run.starts(["libwork.so"], runpath=["$ORIGIN/tmp"])
    run.lies("libwork.so", {"path": "/srv/tmp/libwork.so", "noexec": "/srv/tmp"})

    assert run.finding("noexec-library").message.startswith("app may not map the code of /srv/tmp/libwork.so")


def test_a_program() -> None:
    run = Refused("./app", EACCES)
    run.binary(APP, noexec="/srv")

    finding = run.finding("noexec-library", 126)

    assert finding.message == "./app may not be executed: the file system on /srv is mounted with noexec."


def test_a_program_without_permission_to_execute() -> None:
    run = Refused("./app", EACCES)
    run.binary(APP)

    assert run.findings(126) == []
