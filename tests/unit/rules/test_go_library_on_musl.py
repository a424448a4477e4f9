"""go-library-on-musl: c-shared and c-archive."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gotrace.events.model import Signal
from tests.unit.rules.loads import APP, GLIBC, MUSL, Loads, calls
from tests.unit.rules.scenes import proof

NAME = "go-library-on-musl"
ANSWER = "/srv/libanswer.so"
SAYS = "Error relocating ./libanswer.so: free: initial-exec TLS resolves to dynamic definition in ./libanswer.so"


def made(mode: str = "c-shared") -> dict[str, Any]:
    return {"go": {"version": "go1.26.8", "path": "ex/answer", "settings": {"-buildmode": mode}}}


def needs(libc: str = MUSL, *, symbol: str = "runtime.sysargs", mode: str = "c-shared") -> Loads:
    told = Loads(libc)
    told.maps(ANSWER, "musl" if libc == MUSL else "glibc", **made(mode))
    told.faults(0x401000, address=0x29B9D08, go=False)
    _replace_stack(told, symbol, ANSWER)
    return told


def _replace_stack(told: Loads, symbol: str, module: str) -> None:
    stack = tuple(calls(symbol, "runtime.args", "runtime.rt0_go", module=module, origin="go"))
    told.events = [replace(one, stack=stack) if isinstance(one, Signal) else one for one in told.events]


@pytest.mark.parametrize("symbol", ["runtime.sysargs", "runtime.args"])
def test_a_library_that_the_program_needs(symbol: str) -> None:
    finding = needs(symbol=symbol).first(status=None, signal=11)
    assert finding.name == NAME
    assert finding.message == (
        f"app crashed in {symbol} of libanswer.so, which Go made (-buildmode=c-shared): Go's runtime takes argc and "
        "argv from the constructor that starts it, and musl 1.2.3 hands constructors no arguments."
    )
    assert ANSWER in proof(finding)


def test_an_archive_in_a_static_program() -> None:
    told = Loads(static="musl", go="c-archive")
    told.faults(0x401000, address=0x29B9D08, go=False)
    _replace_stack(told, "runtime.sysargs", APP)
    message = told.first(status=None, signal=11).message
    assert "app crashed in runtime.sysargs of the Go code in app (-buildmode=c-archive)" in message


def test_a_library_that_is_opened() -> None:
    told = Loads(MUSL)
    told.maps(ANSWER, "musl", static_tls=True, **made())
    told.opens("./libanswer.so", 0, error=SAYS, began=2)

    finding = told.first(status=1)

    assert finding.name == NAME
    assert "app opens libanswer.so, which Go made (-buildmode=c-shared), by dlopen" in finding.message
    assert SAYS in proof(finding)


def test_glibc_and_other_places_and_programs_of_go() -> None:
    assert needs(GLIBC).names(status=2) == []
    assert NAME not in needs(symbol="main.Answer").names(status=2)
    assert NAME not in needs(mode="exe").names(status=2)


def test_a_library_of_c_that_is_refused() -> None:
    told = Loads(MUSL)
    told.maps("/srv/libdigits.so", "musl")
    told.opens("./libdigits.so", 0, error=SAYS, began=2)
    assert NAME not in told.names(status=1)
