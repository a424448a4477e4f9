"""static-glibc-loads-nss: a look-up that brings a second glibc."""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.events.model import Frame
from tests.unit.rules.loads import GLIBC, Loads, calls
from tests.unit.rules.scenes import lines, proof

NAME = "static-glibc-loads-nss"
SYSTEMD = "/usr/lib/x86_64-linux-gnu/libnss_systemd.so.2"
IN_SYSTEMD = calls("_nss_systemd_is_blocked", "_nss_systemd_getpwnam_r", module=SYSTEMD)
BY_USER = ("runtime.asmcgocall", "os/user._C_getpwnam_r", "os/user.Lookup", "main.main")
LOADING = (
    "raise",
    "abort",
    "__assert_fail",
    "_dl_call_libc_early_init",
    "_dl_open",
    "__nss_module_load",
    "getaddrinfo",
)


def go(*symbols: str) -> Sequence[Frame]:
    return calls(*symbols, origin="go")


def program(static: str = "glibc", *, version: str = "2.36", service: str = SYSTEMD) -> Loads:
    told = Loads(GLIBC, static=static)
    told.maps(service, "glibc", soname="libnss_systemd.so.2")
    told.maps(GLIBC, "", libc={"flavour": "glibc", "relation": "is", "version": version}, soname="libc.so.6")
    return told


def test_a_crash_in_the_service_of_the_same_release() -> None:
    told = program()
    told.faults(0x401000, *IN_SYSTEMD[1:], *calls("__getpwnam_r"), *go(*BY_USER), address=0x28, go=False)

    finding = told.first()

    assert finding.name == NAME
    assert "To look up a name for main.main it loaded libnss_systemd.so.2 and with it a second glibc" in finding.message
    assert "(libc.so.6 of glibc 2.36), which was not set up for that" in finding.message
    assert SYSTEMD in proof(finding)
    assert lines(finding) == ["env CGO_ENABLED=1 go build -tags netgo,osusergo -o app ex/app"]


def test_an_abort_with_another_release() -> None:
    told = program(version="2.31", service="/lib/libnss_systemd-2.31.so")
    told.faults(0x401000, *calls(*LOADING), signal=6, code=-6)

    finding = told.first()

    assert finding.name == NAME
    assert "it loaded libnss_systemd.so.2 and with it a second glibc (libc.so.6 of glibc 2.31)" in finding.message
    assert "which is not the release that is in the program: it aborted" in finding.message
    assert lines(finding) == ["env CGO_ENABLED=1 CC=musl-gcc go build -o app ex/app"]


def test_an_abort_of_a_program_without_symbols() -> None:
    told = program(version="2.31")
    told.says("app: dl-call-libc-early-init.c:37: _dl_call_libc_early_init: Assertion `sym != NULL' failed.")
    told.faults(0x401000, *calls("", "", ""), signal=6, code=-6)
    assert told.first().name == NAME


def test_an_abort_for_another_reason() -> None:
    told = program()
    told.faults(0x401000, *calls("raise", "abort", "check"), signal=6, code=-6)
    assert NAME not in told.names()


def test_a_crash_elsewhere_after_a_look_up_that_went_well() -> None:
    told = program()
    told.faults(0x401000, *calls("divide"), address=0x28)
    assert NAME not in told.names()
    told = program()
    told.faults(0x401000, *go("main.main"), address=0x28, go=False)
    assert NAME not in told.names()


def test_a_dynamic_program_and_one_for_musl() -> None:
    for told in (program(static="musl"), program(static="")):
        told.faults(0x401000, *IN_SYSTEMD, address=0x28)
        assert NAME not in told.names()


def test_a_look_up_that_went_well() -> None:
    assert program().names(status=0) == []
    assert NAME not in program().names(status=1)
