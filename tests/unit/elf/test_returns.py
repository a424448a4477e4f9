"""Where functions return, compared with what objdump finds in this machine's own C libraries."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.libc import LOADER_FUNCTIONS, loaders_of
from gotrace.elf.returns import Returns, returns_of

MUSL = Path("/lib/ld-musl-x86_64.so.1")
GLIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")


class Line(NamedTuple):
    """A line of objdump's listing."""

    address: int
    size: int
    text: str


def program(code: bytes, address: int = 0x1000) -> bytes:
    """A 64-bit ELF file of nothing but code, which is loaded at `address`; the code is at offset 120."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + (2).to_bytes(2, "little") + (62).to_bytes(2, "little") + (1).to_bytes(4, "little")
    header += address.to_bytes(8, "little") + (64).to_bytes(8, "little") + bytes(8 + 4)
    header += b"".join(number.to_bytes(2, "little") for number in (64, 56, 1, 0, 0, 0))
    fields = (120, address, address, len(code), len(code), 4096)
    load = (1).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"".join(f.to_bytes(8, "little") for f in fields)
    return header + load + code


def returns_in(tmp_path: Path, code: str, size: int = 0) -> tuple[list[int], bool]:
    """Where code given in hexadecimal digits returns, counted from its beginning."""
    path = tmp_path / "program"
    path.write_bytes(program(bytes.fromhex(code)))
    found = returns_of(path, 120, size)
    return [offset - 120 for offset in found.offsets], found.complete


@pytest.mark.parametrize(
    ("code", "places", "complete"),
    [
        ("c3", [0], True),
        ("f3c3", [0], True),
        ("f30f1efa 31c0 c20800", [6], True),
        # je over a return; a jump back; bnd ret; what is behind a return is no code of the function
        ("7401 c3 f2c3 c3", [2, 3], True),
        ("eb01 c3 90 ebfd", [], True),
        # a loop that ends
        ("48ffc8 75fb c3", [5], True),
        # calls come back, ud2 and hlt and int3 do not
        ("e800000000 c3", [5], True),
        ("0f0b c3", [], True),
        ("f4 c3", [], True),
        ("cc c3", [], True),
        # 0xc3 within an instruction is no return
        ("b8c3c3c3c3 c3", [5], True),
        # computed jumps
        ("7403 c3 ffe0", [2], False),
        ("7403 3effe0 c3", [5], False),
        ("ff2500000000", [], False),
        # no known instruction; control runs out of the code
        ("7402 c3 90 06", [2], False),
        ("90", [], False),
        # a jump into the middle of an instruction whose last byte is a RET: the byte belongs to both
        ("7404 b8 0000 00c3 c3", [7], False),
    ],
)
def test_control_flow_is_followed(tmp_path: Path, code: str, places: list[int], complete: bool) -> None:
    assert returns_in(tmp_path, code) == (places, complete)


def test_the_size_of_a_function_ends_a_path_behind_a_call_that_does_not_come_back(tmp_path: Path) -> None:
    code = "7401 c3 e800000000 90 c3"
    assert returns_in(tmp_path, code) == ([2, 9], True)
    assert returns_in(tmp_path, code, size=8) == ([2], True)


def test_functions_jumped_to_as_the_last_act_are_followed_out_of_its_size(tmp_path: Path) -> None:
    assert returns_in(tmp_path, "eb02 9090 90c3", size=2) == ([5], True)


def test_a_jump_out_of_the_code_is_incomplete(tmp_path: Path) -> None:
    assert returns_in(tmp_path, "7401 c3 e900001000") == ([2], False)


def test_what_is_no_program_has_none(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("c3")
    assert returns_of(path, 0) == Returns((), False)
    path.write_bytes(program(b"\xc3"))
    assert returns_of(path, 4096) == Returns((), False)
    assert returns_of(path, 1 << 70) == Returns((), False)
    with pytest.raises(FileNotFoundError):
        returns_of(tmp_path / "gone", 0)


def test_a_very_large_function_is_cut_short_and_says_so(tmp_path: Path) -> None:
    assert returns_in(tmp_path, "7401" + "c3" + "90" * 30_000 + "c3") == ([2], False)


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=200))
def test_no_code_breaks_it(tmp_path_factory: pytest.TempPathFactory, code: bytes) -> None:
    path = tmp_path_factory.mktemp("code") / "program"
    path.write_bytes(program(code))
    for offset in returns_of(path, 120).offsets:
        assert code[offset - 120] in b"\xc3\xc2\xf2\xf3\x66\x67\x2e\x36\x3e\x26\x64\x65\x40" + bytes(range(0x41, 0x50))


def listing(path: Path, start: int, end: int) -> list[Line]:
    """What objdump decodes there."""
    command = ["objdump", "-d", "-w", f"--start-address={start:#x}", f"--stop-address={end:#x}", str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    rows = re.findall(r"^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t(.*)$", text, re.MULTILINE)
    return [Line(int(at, 16), len(code.split()), mnemonic) for at, code, mnemonic in rows]


def dynamic_sizes(path: Path) -> dict[int, int]:
    """Sizes of the functions of a library by their addresses, as readelf tells them."""
    text = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ *\d+: ([0-9a-f]+) +(\d+) FUNC", text, re.MULTILINE)
    return {int(address, 16): int(size) for address, size in rows}


def returning(lines: Sequence[Line]) -> set[int]:
    return {line.address for line in lines if re.match(r"(bnd |repz )?ret\b", line.text)}


def library(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is not installed; `make setup` installs it")
    if shutil.which("objdump") is None:
        pytest.skip("objdump is not installed; `make setup` installs it")
    return path


@pytest.mark.parametrize("path", [GLIBC, MUSL], ids=["glibc", "musl"])
def test_the_loaders_functions_of_a_c_library_return_where_objdump_says(path: Path) -> None:
    library(path)
    sizes, loaders = dynamic_sizes(path), loaders_of(path)
    assert {"dlopen", "dlsym", "dlerror"} <= loaders.keys() <= set(LOADER_FUNCTIONS)
    image = ElfFile.open(path)
    assert image is not None
    with image:
        for offsets in loaders.values():
            for offset in offsets:
                start = image.address_of(offset)
                assert start is not None
                found = {image.address_of(place) for place in returns_of(path, offset).offsets}
                # One without a size (musl's dlsym) only jumps to one that no symbol tells of: see the next test.
                size = sizes[start]
                assert size == 0 or found == returning(listing(path, start, start + size))


def test_musls_dlsym_returns_in_the_function_that_it_jumps_to() -> None:
    library(MUSL)
    (offset,) = loaders_of(MUSL)["dlsym"]
    found = returns_of(MUSL, offset)
    assert found.complete
    (place,) = found.offsets
    # The two instructions at its entry lead far away: back from there.
    first, jump = listing(MUSL, offset, offset + 9)
    target = int(re.sub(r"jmp +([0-9a-f]+).*", r"\1", jump.text), 16)
    assert first.text.startswith("mov")
    body = listing(MUSL, target, place + 1)
    assert body[0].address == target
    assert body[-1] == Line(place, 1, "ret")
    assert returning(body) == {place}
