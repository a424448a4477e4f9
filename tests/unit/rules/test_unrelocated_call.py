"""unrelocated-call: the slot of a function that nothing defines."""

from __future__ import annotations

from gotrace.rules.finding import Finding
from tests.unit.rules.loads import GLIBC, MUSL, Loads, calls
from tests.unit.rules.scenes import proof

NAME = "unrelocated-call"
LAZY = "/srv/libdigits.so"
LAZILY = 1


def program(libc: str = MUSL, flavour: str = "glibc", *, caller: str = LAZY, flags: int = LAZILY) -> Loads:
    told = Loads(libc)
    told.maps(LAZY, flavour)
    told.opens("./libdigits.so", flags=flags, began=3)
    told.faults(0x1046, *calls("digits", module=caller))
    told.fact("unrelocated", LAZY, address=0x1046, kind="plt", symbol="__sprintf_chk")
    return told


def found(told: Loads) -> Finding:
    finding = told.first()
    assert finding.name == NAME
    return finding


def test_function_library_and_both_libcs_are_named() -> None:
    finding = found(program())
    assert finding.message == (
        "libdigits.so called __sprintf_chk at 0x1046, an address that was never relocated: libdigits.so was built for "
        "glibc, and this program runs with musl 1.2.3, which lacks it; opened with RTLD_LAZY by C.start, it was loaded "
        "all the same."
    )
    assert 'dlopen("./libdigits.so", RTLD_LAZY) = 0x5000' in proof(finding)
    assert "musl-gcc" in finding.fix[0].text
    assert "RTLD_NOW" in finding.fix[1].text


def test_a_library_for_the_same_libc_lacks_another_library() -> None:
    finding = found(program(flavour="musl"))
    assert "nothing that is loaded defines it" in finding.message
    assert finding.fix[0].text == "Link libdigits.so with the library that defines __sprintf_chk."


def test_a_wild_call_of_somebody_else_that_meets_the_number() -> None:
    assert program(caller="/srv/libother.so").names() == []


def test_glibc_relocates_its_slots() -> None:
    assert program(GLIBC).names() == []


def test_no_finding_where_the_program_went_on() -> None:
    assert program().names(status=0) == []
