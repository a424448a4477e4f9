"""Which feature of the processor an instruction needs; the bytes are those of GNU as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.elf.features import LEVELS, Needed, needed

KNOWN = {
    "62f17d486f0d10000000": ("vmovdqa32 zmm1, zmmword ptr [rip + 0x10]", "avx512f", 4),
    "62f17f486f00": ("vmovdqu8 zmm0, zmmword ptr [rax]", "avx512bw", 4),
    "62f2f54840d0": ("vpmullq zmm2, zmm1, zmm0", "avx512dq", 4),
    "62f27d48c4c8": ("vpconflictd zmm1, zmm0", "avx512cd", 4),
    "62f3752825d005": ("vpternlogd ymm2, ymm1, ymm0, 5", "avx512vl", 4),
    "62f27d4855c8": ("vpopcntd zmm1, zmm0", "avx512_vpopcntdq", 0),
    "62f2754850d0": ("vpdpbusd zmm2, zmm1, zmm0", "avx512_vnni", 0),
    "62f275488dd0": ("vpermb zmm2, zmm1, zmm0", "avx512vbmi", 0),
    "c5f5fed0": ("vpaddd ymm2, ymm1, ymm0", "avx2", 3),
    "c5f1fed0": ("vpaddd xmm2, xmm1, xmm0", "avx", 3),
    "c5f458d0": ("vaddps ymm2, ymm1, ymm0", "avx", 3),
    "c4e275b8d0": ("vfmadd231ps ymm2, ymm1, ymm0", "fma", 3),
    "c4e27d13c8": ("vcvtph2ps ymm1, xmm0", "f16c", 3),
    "c4e2e0f2c8": ("andn rcx, rbx, rax", "bmi1", 3),
    "c4e2f9f7cb": ("shlx rcx, rbx, rax", "bmi2", 3),
    "f3480fbdd8": ("lzcnt rbx, rax", "abm", 3),
    "480f38f018": ("movbe rbx, qword ptr [rax]", "movbe", 3),
    "f3480fb8d8": ("popcnt rbx, rax", "popcnt", 2),
    "f2480f38f1d8": ("crc32 rbx, rax", "sse4_2", 2),
    "660f3817c8": ("ptest xmm1, xmm0", "sse4_1", 2),
    "660f3800c8": ("pshufb xmm1, xmm0", "ssse3", 2),
    "f20f7cc8": ("haddps xmm1, xmm0", "pni", 2),
    "480fc708": ("cmpxchg16b xmmword ptr [rax]", "cx16", 2),
    "c4e275dcd0": ("vaesenc ymm2, ymm1, ymm0", "vaes", 0),
    "c4e271dcd0": ("vaesenc xmm2, xmm1, xmm0", "avx", 3),
    "660f38dcc8": ("aesenc xmm1, xmm0", "aes", 0),
    "0f38cbc8": ("sha256rnds2 xmm1, xmm0, xmm0", "sha_ni", 0),
    "66480f38f6d8": ("adcx rbx, rax", "adx", 0),
    "480fc7f0": ("rdrand rax", "rdrand", 0),
    "660ffec8": ("paddd xmm1, xmm0", "", 1),
    "4889c3": ("mov rbx, rax", "", 1),
    "0f0b": ("ud2", "", 1),
    # Newer than the disassembler: what its prefix tells.
    "62f5744858d0": ("", "avx512f", 4),
    "c4e27550d0": ("", "avx", 3),
}


@pytest.mark.parametrize("code", KNOWN)
def test_an_instruction_and_what_it_needs(code: str) -> None:
    found = needed(bytes.fromhex(code) + bytes(5))
    assert found is not None
    assert (found.text, found.feature, found.level) == KNOWN[code]


def test_of_no_instruction_nothing_is_said() -> None:
    assert needed(b"") is None
    assert needed(bytes.fromhex("0f01e8")) is None
    assert needed(b"\x06") is None


def test_a_feature_is_part_of_one_level() -> None:
    assert set(LEVELS.values()) == {2, 3, 4}
    assert len(LEVELS) == 7 + 9 + 5


@given(st.binary(max_size=16))
def test_no_bytes_break_it(code: bytes) -> None:
    found = needed(code)
    assert found is None or isinstance(found, Needed)
