"""Evaluates the DWARF expressions that unwind tables hold (in PLT entries and signal trampolines, for instance).

Source: DWARF 5, section 2.5 and 7.7.1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Final

from gotrace.elf.unwind.cursor import WORD, Cursor, DamagedTableError

ReadMemory = Callable[[int, int], bytes | None]
"""`read(address, size)`: so many bytes, or None where they are not known."""

_MOST_STEPS: Final = 1000
_MOST_VALUES: Final = 256


class UnknownValueError(Exception):
    """A register or a piece of memory that is not known is needed."""


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _divide(first: int, second: int) -> int:
    """As DW_OP_div: signed, and cut towards zero."""
    a, b = _signed(first), _signed(second)
    if not b:
        raise DamagedTableError
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _modulo(first: int, second: int) -> int:
    if not second:
        raise DamagedTableError
    return first % second


_TWO: Final[dict[int, Callable[[int, int], int]]] = {
    0x1A: operator.and_,
    0x1B: _divide,
    0x1C: operator.sub,
    0x1D: _modulo,
    0x1E: operator.mul,
    0x21: operator.or_,
    0x22: operator.add,
    0x24: lambda value, bits: value << bits if bits < 64 else 0,
    0x25: lambda value, bits: value >> bits if bits < 64 else 0,
    0x26: lambda value, bits: _signed(value) >> min(bits, 63),
    0x27: operator.xor,
    0x29: lambda a, b: _signed(a) == _signed(b),
    0x2A: lambda a, b: _signed(a) >= _signed(b),
    0x2B: lambda a, b: _signed(a) > _signed(b),
    0x2C: lambda a, b: _signed(a) <= _signed(b),
    0x2D: lambda a, b: _signed(a) < _signed(b),
    0x2E: lambda a, b: _signed(a) != _signed(b),
}
"""DW_OP_and, div, minus, mod, mul, or, plus, shl, shr, shra, xor, eq, ge, gt, le, lt, ne."""
_ONE: Final[dict[int, Callable[[int], int]]] = {
    0x19: lambda value: abs(_signed(value)),
    0x1F: operator.neg,
    0x20: operator.invert,
}
"""DW_OP_abs, neg, not."""
_CONSTANTS: Final = {
    0x08: (1, False),
    0x09: (1, True),
    0x0A: (2, False),
    0x0B: (2, True),
    0x0C: (4, False),
    0x0D: (4, True),
    0x0E: (8, False),
    0x0F: (8, True),
}
"""DW_OP_const1u ... const8s: bytes, and whether signed."""
_ADDRESS, _DEREF, _CONSTU, _CONSTS, _PLUS_UCONST, _BRANCH, _SKIP = 0x03, 0x06, 0x10, 0x11, 0x23, 0x28, 0x2F
_BREGX, _DEREF_SIZE, _NOP = 0x92, 0x94, 0x96
_DUP, _DROP, _OVER, _PICK, _SWAP, _ROTATE = 0x12, 0x13, 0x14, 0x15, 0x16, 0x17


def evaluate(expression: bytes, registers: Mapping[int, int], read: ReadMemory, first: int | None = None) -> int:
    """What an expression comes to; `registers` by DWARF number, `first` is what lies on the stack at its start.

    Raises:
        DamagedTableError: it makes no sense, or takes too long.
        UnknownValueError: it needs what is not known.
    """
    machine = _Machine(expression, registers, read, [] if first is None else [first])
    try:
        return machine.run()
    except IndexError:
        raise DamagedTableError from None


class _Machine:
    def __init__(self, code: bytes, registers: Mapping[int, int], read: ReadMemory, stack: list[int]) -> None:
        self._cursor = Cursor(code)
        self._registers = registers
        self._read = read
        self._stack = stack

    def run(self) -> int:
        for _ in range(_MOST_STEPS):
            if not self._cursor.left:
                return self._stack[-1]
            if len(self._stack) > _MOST_VALUES:
                break
            self._step(self._cursor.byte())
        raise DamagedTableError

    def _step(self, code: int) -> None:
        stack, cursor = self._stack, self._cursor
        if code in _TWO:
            second, first = stack.pop(), stack.pop()
            self._push(int(_TWO[code](first, second)))
        elif code in _ONE:
            self._push(_ONE[code](stack.pop()))
        elif _DUP <= code <= _ROTATE:
            self._reorder(code)
        elif code == _PLUS_UCONST:
            self._push(stack.pop() + cursor.uleb())
        elif code in (_DEREF, _DEREF_SIZE):
            self._push(self._memory(stack.pop(), 8 if code == _DEREF else cursor.byte()))
        elif code in (_BRANCH, _SKIP):
            distance = cursor.signed(2)
            if code == _SKIP or stack.pop():
                cursor.at += distance
                if cursor.at < 0 or cursor.left < 0:
                    raise DamagedTableError
        elif code != _NOP:
            self._push(self._operand(code))

    def _operand(self, code: int) -> int:
        """The value that an instruction names itself."""
        cursor = self._cursor
        if 0x30 <= code <= 0x4F:
            return code - 0x30
        if 0x70 <= code <= 0x8F:
            return self._register(code - 0x70) + cursor.sleb()
        if code in _CONSTANTS:
            size, signed = _CONSTANTS[code]
            return cursor.signed(size) if signed else cursor.unsigned(size)
        if code == _BREGX:
            return self._register(cursor.uleb()) + cursor.sleb()
        if code == _ADDRESS:
            return cursor.unsigned(8)
        if code in (_CONSTU, _CONSTS):
            return cursor.uleb() if code == _CONSTU else cursor.sleb()
        raise DamagedTableError

    def _reorder(self, code: int) -> None:
        stack = self._stack
        if code == _DROP:
            stack.pop()
        elif code == _SWAP:
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif code == _ROTATE:
            stack[-3], stack[-2], stack[-1] = stack[-1], stack[-3], stack[-2]
        else:
            depth = {_DUP: 0, _OVER: 1}.get(code, 0) if code != _PICK else self._cursor.byte()
            stack.append(stack[-1 - depth])

    def _push(self, value: int) -> None:
        self._stack.append(value & WORD)

    def _register(self, number: int) -> int:
        if number not in self._registers:
            raise UnknownValueError
        return self._registers[number]

    def _memory(self, address: int, size: int) -> int:
        if not 1 <= size <= 8:
            raise DamagedTableError
        found = self._read(address, size)
        if found is None:
            raise UnknownValueError
        return int.from_bytes(found, "little")
