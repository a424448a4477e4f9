"""Instructions at another place than their own; the code of each is what gas makes of the text beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.elf.displaced import LONGEST, SCRATCH, Displaced, First, displaced, first

HERE = 0x401000
TAIL = b"\x90" * LONGEST


def of(code: str) -> Displaced | None:
    return displaced(bytes.fromhex(code) + TAIL, HERE)


@pytest.mark.parametrize(
    "code",
    [
        "53",  # push %rbx
        "4883ec30",  # sub $0x30,%rsp
        "4885c0",  # test %rax,%rax
        "48894508",  # mov %rax,8(%rbp)
        "64488b042528000000",  # mov %fs:0x28,%rax
        "f30f1efa",  # endbr64
        "7405",  # je
        "eb05",  # jmp
        "0f8400010000",  # je, 32 bits
    ],
)
def test_most_do_the_same_anywhere(code: str) -> None:
    raw = bytes.fromhex(code)
    assert of(code) == Displaced(len(raw), raw)


@pytest.mark.parametrize(
    ("code", "elsewhere", "register"),
    [
        ("488905e32e0000", "488981e32e0000", "rcx"),  # mov %rax,0x2ee3(%rip)
        ("488b05e32e0000", "488b81e32e0000", "rcx"),  # mov 0x2ee3(%rip),%rax
        ("8b0de32e0000", "8b88e32e0000", "rax"),  # mov 0x2ee3(%rip),%ecx
        ("0fb605e32e0000", "0fb681e32e0000", "rcx"),  # movzbl 0x2ee3(%rip),%eax
        ("833de32e000005", "83b8e32e000005", "rax"),  # cmpl $5,0x2ee3(%rip)
        ("4c8d05e32e0000", "4c8d80e32e0000", "rax"),  # lea 0x2ee3(%rip),%r8
        ("660f6e05e32e0000", "660f6e80e32e0000", "rax"),  # movd 0x2ee3(%rip),%xmm0
        ("f00fb10de32e0000", "f00fb18ae32e0000", "rdx"),  # lock cmpxchg %ecx,0x2ee3(%rip)
        ("c5f97f05e32e0000", "c5f97f80e32e0000", "rax"),  # vmovdqa %xmm0,0x2ee3(%rip)
        ("c4e2791805e32e0000", "c4e2791880e32e0000", "rax"),  # vbroadcastss 0x2ee3(%rip),%xmm0
    ],
)
def test_a_register_stands_in_for_rip(code: str, elsewhere: str, register: str) -> None:
    assert of(code) == Displaced(len(code) // 2, bytes.fromhex(elsewhere), scratch=register)


def test_where_control_goes() -> None:
    assert of("e810000000") == Displaced(5, bytes.fromhex("e810000000"), calls=True)  # call
    assert of("ffd0") == Displaced(2, b"\xff\xd0", absolute=True, calls=True)  # call *%rax
    assert of("ffe0") == Displaced(2, b"\xff\xe0", absolute=True)  # jmp *%rax
    assert of("ff15e32e0000") == Displaced(6, bytes.fromhex("ff90e32e0000"), "rax", absolute=True, calls=True)
    assert of("c3") == Displaced(1, b"\xc3", absolute=True)
    assert of("f3c3") == Displaced(2, b"\xf3\xc3", absolute=True)


@pytest.mark.parametrize(
    "code", ["0f05", "cc", "cd80", "9c", "9d", "f4", "06", "62f17c481005e32e0000", "67c70500000000"]
)
def test_not_everything_can_be_displaced(code: str) -> None:
    """syscall, int3, int 0x80, pushf, popf, hlt, none at all, EVEX with rip, and half an instruction."""
    assert displaced(bytes.fromhex(code), HERE) is None


@given(st.binary(max_size=20))
def test_any_bytes_are_an_instruction_or_none(code: bytes) -> None:
    found = displaced(code, HERE)
    if found is not None:
        assert 0 < found.size == len(found.code) <= LONGEST
        assert found.scratch in ("", *SCRATCH)
        assert (found.scratch == "") == (found.code == code[: found.size])
    assert first(code, HERE, frozenset()) is None or found is None or found.size <= LONGEST


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("53", First(1, 8)),  # push %rbx
        ("4157", First(2, 8)),  # push %r15
        ("f30f1efa", First(4, 0)),  # endbr64
        ("488b1424", First(4, 0)),  # mov (%rsp),%rdx
        ("64488b142500000000", First(9, 0)),  # mov %fs:0,%rdx
        ("6653", None),  # push %bx
        ("488b3424", None),  # mov (%rsp),%rsi
        ("89fe", None),  # mov %edi,%esi
        ("4889ec", None),  # mov %rbp,%rsp
        ("4883ec38", First(4, 0x38)),  # sub $0x38,%rsp
        ("4883ec08", First(4, 8)),  # sub $8,%rsp
        ("4881ec00010000", First(7, 0x100)),  # sub $0x100,%rsp
        ("4829c4", None),  # sub %rax,%rsp
        ("83ec08", None),  # sub $8,%esp
        ("e900010000", None),  # jmp
        ("06", None),
    ],
)
def test_the_first_instruction_of_a_function(code: str, expected: First | None) -> None:
    """Behind it the arguments in rdi and rsi are as they were, and the stack pointer is known."""
    assert first(bytes.fromhex(code) + TAIL, HERE, frozenset({"rdi", "rsi"})) == expected
