"""The way out of functions without unwind tables, and the calls that lead into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.unwind.calls import call_before, imported_by, is_signal_trampoline
from gotrace.elf.unwind.simulation import Way, way_back
from tests.unit.elf.test_returns import program

BASE = 0x1000


@contextmanager
def opened(folder: Path, code: bytes) -> Iterator[ElfFile]:
    path = folder / "program"
    path.write_bytes(program(code, BASE))
    file = ElfFile.open(path)
    assert file is not None
    with file:
        yield file


@pytest.mark.parametrize(
    ("code", "ways"),
    [
        ("c3", [Way("rsp", 0, {})]),
        ("5b c3", [Way("rsp", 8, {"rbx": 0})]),
        # add rsp, 24; pop rbp; pop r12; ret
        ("4883c418 5d 415c c3", [Way("rsp", 40, {"rbp": 24, "r12": 32})]),
        # a call, a push and a pop on the way
        ("50 e800000000 58 4883c408 c3", [Way("rsp", 8, {"rax": -8})]),
        ("c9 c3", [Way("rbp", 8, {"rbp": 0})]),
        # lea rsp, [rbp - 16]; pop rbx; ret
        ("488d65f0 5b c3", [Way("rbp", -8, {"rbx": -16})]),
        # mov rsp, rbp; pop rbp; ret
        ("4889ec 5d c3", [Way("rbp", 8, {"rbp": 0})]),
        # lea rsp, [rsp + 32]; sub rsp, 8; ret
        ("488d642420 4883ec08 c3", [Way("rsp", 24, {})]),
        # jne over a return to another way out; the shorter one comes first
        ("7501 c3 5b c3", [Way("rsp", 0, {}), Way("rsp", 8, {"rbx": 0})]),
        # a jump out of the function, whose caller is the same
        ("4883c410 eb01 90 c3", [Way("rsp", 16, {})]),
        ("f3c3", [Way("rsp", 0, {})]),
        # the stack pointer is lost, or the function ends elsewhere
        ("4883e4f0 c3", []),
        ("4c89d4 c3", []),
        ("0f0b c3", []),
        ("ebfe", []),
        ("ffe0", []),
        ("06", []),
    ],
)
def test_what_the_instructions_do_until_the_function_returns(tmp_path: Path, code: str, ways: list[Way]) -> None:
    raw = bytes.fromhex(code)
    with opened(tmp_path, raw) as file:
        assert list(way_back(file, BASE, range(BASE, BASE + len(raw)))) == ways


def test_behind_the_functions_end_no_path_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path, bytes.fromhex("e800000000 c3")) as file:
        assert list(way_back(file, BASE, range(BASE, BASE + 5))) == []
        assert list(way_back(file, BASE, range(0))) == [Way("rsp", 0, {})]


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("9090909090 e8fb0f0000", 0x2005),
        ("90909090909090 ffd0", None),
        ("909090909090 41ffd3", None),
        ("90909090 ff1500100000", None),
        ("9090 ff942480000000", None),
        ("909090 f2e8fb0f0000", 0x2004),
    ],
)
def test_a_call_is_recognised_from_behind(tmp_path: Path, code: str, target: int | None) -> None:
    raw = bytes.fromhex(code)
    with opened(tmp_path, raw + b"\xc3") as file:
        found = call_before(file, BASE + len(raw))
        assert found is not None
        assert found.target == target


@pytest.mark.parametrize("code", ["90909090909090909090", "9090909090ffe0", "90909090909090909090e8"])
def test_what_is_no_call_is_none(tmp_path: Path, code: str) -> None:
    raw = bytes.fromhex(code)
    with opened(tmp_path, raw) as file:
        assert call_before(file, BASE + len(raw)) is None
        assert call_before(file, BASE) is None
        assert call_before(file, 1 << 60) is None


def test_where_signal_handlers_return_to(tmp_path: Path) -> None:
    with opened(tmp_path, bytes.fromhex("90 48c7c00f000000 0f05")) as file:
        assert [is_signal_trampoline(file, BASE + at) for at in (0, 1, 2)] == [False, True, False]


def test_an_entry_of_a_linkage_table_without_relocations_leads_nowhere(tmp_path: Path) -> None:
    with opened(tmp_path, bytes.fromhex("f30f1efa ff2500100000")) as file:
        assert imported_by(file, BASE) == ""
        assert imported_by(file, BASE + 4) == ""
        assert imported_by(file, 0) == ""


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=120), st.integers(0, 120))
def test_no_code_breaks_it(tmp_path_factory: pytest.TempPathFactory, code: bytes, at: int) -> None:
    with opened(tmp_path_factory.mktemp("code"), code) as file:
        for way in way_back(file, BASE, range(BASE, BASE + len(code))):
            assert way.base in ("rsp", "rbp")
        call_before(file, BASE + at)
        imported_by(file, BASE + at)
