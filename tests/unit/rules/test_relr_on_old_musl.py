"""relr-on-old-musl: packed relocations that nobody applied."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rules.loads import GLIBC, MUSL, Loads, calls
from tests.unit.rules.scenes import proof

NAME = "relr-on-old-musl"
SSL, CRYPTO = "/srv/libssl.so.3", "/srv/libcrypto.so.3"


def program(libc: str = MUSL, *, version: str = "1.2.3", address: int | None = None, **held: Any) -> Loads:
    told = Loads(libc)
    if version != "1.2.3":
        told.fact("binary", "/unused")
        is_it = {"flavour": "musl", "relation": "is", "version": version}
        told.maps("/lib/libc.musl-x86_64.so.1", "musl", libc=is_it)
    told.maps(SSL, "musl", relr=True)
    told.maps(CRYPTO, "musl", relr=True)
    told.faults(0x10E0 if address is None else 0x401000, *calls("", module=libc), address=0x10E0)
    told.fact("unrelocated", CRYPTO, **{"address": 0x10E0, "kind": "relr", **held})
    return told


def test_the_constructor() -> None:
    finding = program(table="init_array").first()
    assert finding.name == NAME
    assert finding.message == (
        "libcrypto.so.3 has packed relocations (DT_RELR), which musl 1.2.3 does not apply: its first constructor was "
        "called at 0x10e0, an offset in the file and not an address. musl knows them since 1.2.4."
    )
    assert "nopack-relative-relocs" in finding.fix[0].text
    assert "si_addr=0x10e0" in proof(finding)


def test_another_function_and_data() -> None:
    assert "its function was called at 0x10e0" in program().first().message
    assert "its data were looked for at 0x10e0" in program(address=0x10E0).first().message


def test_two_libraries_that_have_the_number() -> None:
    told = program(table="init_array")
    told.fact("unrelocated", SSL, address=0x10E0, kind="relr", table="init_array")
    message = told.first().message
    assert "libcrypto.so.3 and libssl.so.3 have packed relocations" in message
    assert "the first constructor of one of them was called" in message


@pytest.mark.parametrize("version", ["1.2.4", "1.2.5", "1.3.0"])
def test_a_musl_that_applies_them(version: str) -> None:
    assert program(version=version, table="init_array").names() == []


def test_glibc_says_so_by_itself() -> None:
    assert program(GLIBC, table="init_array").names() == []


def test_an_address_that_is_in_no_word() -> None:
    assert program(address=0x10E0, kind="plt").names() == []
