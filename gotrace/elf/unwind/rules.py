"""What a description of the unwind tables says of one address: where its caller's registers are.

Source: DWARF 5, section 6.4.2 (call frame instructions); the GNU ones of the Linux Standard Base.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from gotrace.elf.unwind.cursor import WORD, Cursor, DamagedTableError
from gotrace.elf.unwind.tables import Description

_MOST_REMEMBERED: Final = 64
_MOST_REGISTERS: Final = 128


class How(Enum):
    """How a register of the caller is found."""

    UNDEFINED = auto()
    SAVED_AT = auto()
    """In memory, `number` bytes from the canonical frame address."""
    IS_FRAME_PLUS = auto()
    REGISTER = auto()
    """In the register `number`."""
    SAVED_AT_EXPRESSION = auto()
    IS_EXPRESSION = auto()


class Rule(NamedTuple):
    """One register's rule."""

    how: How
    number: int = 0
    expression: bytes = b""


class Row(NamedTuple):
    """The rules at one address. The canonical frame address is a register and an offset, or an expression."""

    register: int
    offset: int
    expression: bytes
    rules: dict[int, Rule]
    """By DWARF number; a register without a rule keeps its value."""


def row_at(description: Description, address: int) -> Row:
    """The rules at an address that the description covers.

    Raises:
        DamagedTableError: its program makes no sense.
    """
    machine = _Machine(description, address)
    machine.run(description.common.program)
    machine.keep_initial()
    machine.run(description.program)
    return machine.row()


class _Machine:
    """Runs the instructions until the one that stands for a later address."""

    def __init__(self, description: Description, address: int) -> None:
        self._common = description.common
        self._here = description.start
        self._wanted = address
        self._register, self._offset, self._expression = -1, 0, b""
        self._rules: dict[int, Rule] = {}
        self._initial: dict[int, Rule] = {}
        self._remembered: list[Row] = []

    def row(self) -> Row:
        """The rules as they are now."""
        return Row(self._register, self._offset, self._expression, dict(self._rules))

    def keep_initial(self) -> None:
        """What the common part said is what DW_CFA_restore goes back to."""
        self._initial = dict(self._rules)

    def run(self, program: bytes) -> None:
        """Follow the instructions, as far as they are for the wanted address."""
        cursor = Cursor(program)
        while cursor.left and self._here <= self._wanted:
            code = cursor.byte()
            high, low = code & 0xC0, code & 0x3F
            if high == 0x40:
                self._advance(low)
            elif high == 0x80:
                self._set(low, How.SAVED_AT, cursor.uleb() * self._common.data_factor)
            elif high == 0xC0:
                self._restore(low)
            else:
                self._extended(code, cursor)

    def _extended(self, code: int, cursor: Cursor) -> None:
        if code <= 0x04:
            self._move(code, cursor)
        elif code in (0x0A, 0x0B):
            self._remember() if code == 0x0A else self._recall()
        elif code in (0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13):
            self._frame_address(code, cursor)
        elif code == 0x2E:
            cursor.uleb()  # DW_CFA_GNU_args_size says nothing of registers
        else:
            self._register_rule(code, cursor)

    def _move(self, code: int, cursor: Cursor) -> None:
        if code == 0x01:
            self._here = cursor.pointer(self._common.pointer_encoding & 0x0F)
        elif code:
            self._advance(cursor.unsigned({0x02: 1, 0x03: 2, 0x04: 4}[code]))

    def _frame_address(self, code: int, cursor: Cursor) -> None:
        if code == 0x0F:
            self._register, self._offset, self._expression = -1, 0, cursor.take(cursor.uleb())
            return
        if code in (0x0C, 0x0D, 0x12):
            self._register, self._expression = cursor.uleb(), b""
        if code in (0x0C, 0x0E):
            self._offset = cursor.uleb()
        elif code in (0x12, 0x13):
            self._offset = cursor.sleb() * self._common.data_factor

    def _register_rule(self, code: int, cursor: Cursor) -> None:
        register, factor = cursor.uleb(), self._common.data_factor
        if code == 0x05:
            self._set(register, How.SAVED_AT, cursor.uleb() * factor)
        elif code == 0x06:
            self._restore(register)
        elif code == 0x07:
            self._set(register, How.UNDEFINED)
        elif code == 0x08:
            self._rules.pop(register, None)
        elif code == 0x09:
            self._set(register, How.REGISTER, cursor.uleb())
        elif code in (0x10, 0x16):
            how = How.SAVED_AT_EXPRESSION if code == 0x10 else How.IS_EXPRESSION
            self._rules[register] = Rule(how, expression=cursor.take(cursor.uleb()))
        elif code == 0x11:
            self._set(register, How.SAVED_AT, cursor.sleb() * factor)
        elif code in (0x14, 0x15):
            self._set(register, How.IS_FRAME_PLUS, (cursor.uleb() if code == 0x14 else cursor.sleb()) * factor)
        elif code == 0x2F:
            self._set(register, How.SAVED_AT, -cursor.uleb() * factor)
        else:
            raise DamagedTableError

    def _advance(self, steps: int) -> None:
        self._here = (self._here + steps * self._common.code_factor) & WORD

    def _set(self, register: int, how: How, number: int = 0) -> None:
        if register >= _MOST_REGISTERS:
            raise DamagedTableError
        self._rules[register] = Rule(how, number)

    def _restore(self, register: int) -> None:
        if register in self._initial:
            self._rules[register] = self._initial[register]
        else:
            self._rules.pop(register, None)

    def _remember(self) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            raise DamagedTableError
        self._remembered.append(self.row())

    def _recall(self) -> None:
        if not self._remembered:
            raise DamagedTableError
        self._register, self._offset, self._expression, self._rules = self._remembered.pop()
