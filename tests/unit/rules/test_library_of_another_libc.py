"""library-of-another-libc: glibc's for musl, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.rules.loads import GLIBC, MUSL, Loads
from tests.unit.rules.scenes import lines, proof

NAME = "library-of-another-libc"
DIGITS = "/srv/libdigits.so"
SAYS = "Error relocating ./libdigits.so: __sprintf_chk: symbol not found"


def opened(libc: str = MUSL, flavour: str = "glibc", *, handle: int = 0, needed: Sequence[str] = ()) -> Loads:
    told = Loads(libc)
    told.maps(DIGITS, flavour, needed=list(needed))
    told.opens("./libdigits.so", handle, error="" if handle else SAYS, began=2)
    return told


def test_a_library_for_glibc_in_a_program_for_musl() -> None:
    told = opened()
    told.fact("undefined_symbols", DIGITS, symbols=["__sprintf_chk"], count=1, defined_in={})

    finding = told.first(status=1)

    assert finding.name == NAME
    assert finding.message == (
        "app runs with musl 1.2.3 and opens libdigits.so, which was built for glibc: it needs __sprintf_chk, which "
        "musl does not have."
    )
    assert SAYS in proof(finding)
    assert lines(finding) == ["env CGO_ENABLED=1 CC=gcc go build -o app ex/app"]


def test_a_library_for_musl_in_a_program_for_glibc() -> None:
    finding = opened(GLIBC, "musl", needed=["libm.so", "libc.so"]).first(status=1)
    assert finding.name == NAME
    assert finding.message == (
        "app runs with glibc 2.36 and opens libdigits.so, which was built for musl: libc.so, which it needs, is musl's "
        "name for itself."
    )


def test_a_library_that_the_program_needs_by_name() -> None:
    told = Loads(MUSL)
    told.maps(DIGITS, "glibc")
    finding = told.first(status=127)
    assert finding.name == NAME
    assert "app runs with musl 1.2.3 and needs libdigits.so, which was built for glibc." in finding.message


def test_a_library_of_a_library() -> None:
    told = Loads(MUSL)
    told.maps("/srv/libplugin.so", "musl")
    told.maps(DIGITS, "glibc")
    told.opens("./libplugin.so", 0, error=SAYS, began=4)
    assert "opens libdigits.so" in told.first(status=1).message


@pytest.mark.parametrize(("libc", "flavour"), [(MUSL, "musl"), (GLIBC, "glibc"), (MUSL, "none"), (MUSL, "other")])
def test_a_library_for_the_same_libc_or_for_none(libc: str, flavour: str) -> None:
    assert NAME not in opened(libc, flavour).names(status=1)


def test_what_was_opened_all_the_same_is_no_failure() -> None:
    assert NAME not in opened(handle=0x5000).names(status=1)


def test_a_program_that_did_without() -> None:
    assert opened().names(status=0) == []
    told = opened()
    told.maps("/srv/libother.so", "musl")
    told.opens("./libother.so", 0x6000, began=2)
    assert NAME not in told.names(status=1)
