"""The whole stack of a thread at a signal, from its registers, its stack's memory and the mappings of its process.

C code is left by the unwind tables. Where a module has none (musl), by what its instructions would do until the
function returns, by the frame pointer, or, where a function never returns (abort), by looking for the call of it; each
such step has to lead to a place behind a call. Go code is left like that as well.

When Go calls C it goes over to the stack of the operating system's thread (runtime.asmcgocall), and the frames of the
goroutine are on another stack, of which there is no memory here. There the chain goes on that the source has followed
by frame pointers while the thread stood still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from gotrace.capture.modules import Module
from gotrace.elf.cfi import leave
from gotrace.elf.functions import Function
from gotrace.elf.unwind.interrupted import interrupted_registers
from gotrace.elf.unwind.simulation import Way as WayBack
from gotrace.elf.unwind.simulation import way_back

_MOST_FRAMES: Final = 64
_WORDS_SEARCHED: Final = 256
_SURVIVE_CALLS: Final = frozenset({"rbx", "rbp", "r12", "r13", "r14", "r15"})

Registers = dict[str, int]


class Step(NamedTuple):
    """One frame: `ip` is where its thread goes on; `returning`: that is behind the call that it is in."""

    ip: int
    returning: bool

    @property
    def place(self) -> int:
        """A byte of the instruction that it is at."""
        return self.ip - self.returning


class Code(Protocol):
    """What is at a place in a process; see gotrace.capture.places."""

    @property
    def module(self) -> Module:
        """The file."""
        ...

    @property
    def address(self) -> int:
        """The place as the file's own tables call it; 0 where nothing tells."""
        ...

    @property
    def function(self) -> Function | None:
        """The function that it is in."""
        ...

    @property
    def is_go(self) -> bool:
        """Whether it is Go's."""
        ...


CodeAt = Callable[[int], Code | None]


def unwind(registers: Mapping[str, int], memory: bytes, chain: Sequence[int], code_at: CodeAt) -> list[Step]:
    """The frames, the innermost first.

    `memory` is what lies from rsp on; `chain` are the instruction addresses of a walk by frame pointers, the
    innermost's own first; it may have been led astray.
    """
    return go_on(walk(registers, memory, code_at).steps, chain, code_at)


class Way(NamedTuple):
    """The frames as far as the memory goes."""

    steps: tuple[Step, ...]
    returns: tuple[tuple[int, bytes], ...] | None
    """Where in the memory the return addresses lie by which they were found; None where something else led there."""
    size: int
    """Of the memory: with more of it there may be more frames."""

    def is_that_of(self, memory: bytes) -> bool:
        """Whether a thread with the same instruction, stack and frame pointer, and this memory, is there as well."""
        if self.returns is None or len(memory) > self.size:
            return False
        return all(memory[at : at + 8] == word for at, word in self.returns)


def walk(registers: Mapping[str, int], memory: bytes, code_at: CodeAt) -> Way:
    """The way by the memory alone."""
    walked = _Walk(registers, memory, code_at)
    steps = tuple(walked.run())
    returns = tuple((at, memory[at : at + 8]) for at in walked.returns)
    told = [int.from_bytes(word, "little") for _, word in returns] == [step.ip for step in steps[1:]]
    return Way(steps, returns if told and returns else None, len(memory))


def go_on(steps: Sequence[Step], chain: Sequence[int], code_at: CodeAt) -> list[Step]:
    """The frames of a `walk`, and those that a walk by frame pointers adds to them."""
    return [*steps, *_rest_of(chain, steps, code_at)]


def may_be_returned_to(ip: int, code_at: CodeAt) -> bool:
    """Whether an address can be a return address: it is behind a call. Code that cannot be read is trusted."""
    before = code_at(ip - 1)
    if before is None or not before.address:
        return before is not None
    return before.module.may_be_returned_to(before.address + 1)


class _Walk:
    """From callee to caller as long as the memory has what it takes."""

    def __init__(self, registers: Mapping[str, int], memory: bytes, code_at: CodeAt) -> None:
        self._registers = dict(registers)
        self._memory = memory
        self._start = registers.get("rsp", 0)
        self._code_at = code_at
        self.returns: list[int] = []
        """Where in the memory a return address should be, for each step."""

    def run(self) -> list[Step]:
        step = Step(self._registers.get("rip", 0), returning=False)
        steps = [step]
        if self._code_at(step.ip) is None:  # a call that led nowhere has only pushed where it came from
            returned_to = self._word(self._start)
            if returned_to is None or not may_be_returned_to(returned_to, self._code_at):
                return steps
            self._registers |= {"rip": returned_to, "rsp": self._start + 8}
            step = Step(returned_to, returning=True)
            steps.append(step)
            self.returns.append(0)
        while len(steps) < _MOST_FRAMES:
            code = self._code_at(step.place)
            following = self._caller(code, step) if code is not None else None
            if following is None or self._code_at(following.place) is None:
                break
            steps.append(step := following)
            self.returns.append(max(0, self._registers["rsp"] - 8 - self._start))
        return steps

    def _caller(self, code: Code, step: Step) -> Step | None:
        """The caller's frame, and its registers in place of the callee's."""
        way = code.module.way_out(code.address)
        if way is not None:
            found = leave(way, self._registers, self._read)
            registers, interrupted = found if found is not None else (None, False)
        elif code.address and not step.returning and code.module.ends_signal(code.address):
            registers, interrupted = interrupted_registers(self._registers.get("rsp", 0), self._read), True
        else:
            registers, interrupted = self._guessed(code, step), False
        if registers is None:
            return None
        if not interrupted and registers["rsp"] <= self._registers.get("rsp", 0):
            return None  # a stack only shrinks towards its callers
        self._registers = registers
        ip = registers["rip"]
        at = self._code_at(ip)
        trampoline = at is not None and at.address != 0 and at.module.ends_signal(at.address)
        return Step(ip, returning=not interrupted and not trampoline)

    def _guessed(self, code: Code, step: Step) -> Registers | None:
        """Where no table tells. Whatever is found is behind a call."""
        if not code.address or code.module.file is None:
            return self._by_frame_pointer()
        by_instructions = self._by_instructions(code, step)
        return by_instructions or self._by_frame_pointer() or self._by_call_of(code)

    def _by_instructions(self, code: Code, step: Step) -> Registers | None:
        file, function = code.module.file, code.function
        if file is None:
            return None
        own = range(function.start, function.start + function.size) if function is not None else range(0)
        try:
            ways = list(way_back(file, code.address + step.returning, own))
        except OSError:
            return None
        return next((found for way in ways if (found := self._back_by(way)) is not None), None)

    def _back_by(self, way: WayBack) -> Registers | None:
        base = self._registers.get(way.base)
        if base is None:
            return None
        found = self._returned(base + way.distance)
        if found is None:
            return None
        restored = {name: self._word(base + distance) for name, distance in way.restored.items()}
        return found | {name: value for name, value in restored.items() if value is not None}

    def _by_frame_pointer(self) -> Registers | None:
        frame = self._registers.get("rbp", 0)
        above = self._word(frame)
        if above is None or frame < self._registers.get("rsp", 0):
            return None
        found = self._returned(frame + 8)
        return None if found is None else {**found, "rbp": above}

    def _by_call_of(self, code: Code) -> Registers | None:
        """By the nearest word that points behind a call of this very function."""
        function = code.function
        start = self._registers.get("rsp", 0)
        for place in range(start, start + 8 * _WORDS_SEARCHED, 8) if function is not None else ():
            ip = self._word(place)
            at = None if ip is None else self._code_at(ip - 1)
            call = at.module.call_before(at.address + 1) if at is not None and at.address else None
            if at is None or call is None or function is None:
                continue
            if at.module.calls(call, function, here=at.module is code.module):
                return self._returned(place)
        return None

    def _returned(self, place: int) -> Registers | None:
        """The registers after a return by the address at a place; only those that a callee has to keep are known."""
        ip = self._word(place)
        if ip is None or not may_be_returned_to(ip, self._code_at):
            return None
        kept = {name: value for name, value in self._registers.items() if name in _SURVIVE_CALLS}
        return {**kept, "rip": ip, "rsp": place + 8}

    def _read(self, address: int, size: int) -> bytes | None:
        at = address - self._start
        found = self._memory[at : at + size] if at >= 0 else b""
        return found if len(found) == size else None

    def _word(self, address: int) -> int | None:
        found = self._read(address, 8)
        return None if found is None else int.from_bytes(found, "little")


def _rest_of(chain: Sequence[int], steps: Sequence[Step], code_at: CodeAt) -> list[Step]:
    """What the walk by frame pointers adds: what is behind the frames that both know, else its Go frames."""
    rest = list(chain)
    if rest[:1] == [steps[0].ip]:
        del rest[0]
    known = [step.ip for step in steps[1:]]
    # Recursion makes many frames with one address, so all that both have has to agree.
    agreed = next((count for count in range(len(rest), 0, -1) if rest[:count] == known[-count:]), 0)
    if agreed:
        rest = rest[agreed:]
    elif known:
        rest = rest[_first_go_frame(rest, code_at) :]
    found: list[Step] = []
    for ip in rest:
        below = found[-1] if found else steps[-1]
        if not may_be_returned_to(ip, code_at) or not _may_have_called(code_at(ip - 1), code_at(below.place)):
            break
        found.append(Step(ip, returning=True))
        if _is_bottom(code_at(ip - 1)):
            break
    return found


def _may_have_called(caller: Code | None, callee: Code | None) -> bool:
    """Whether a frame pointer has passed over no frame that has none.

    Go keeps frame pointers, so a caller of Go's is believed. C is believed where its call leads to that function, or by
    its name into that file, where one function may jump on to another. Where a call by a pointer leads nobody knows.
    """
    if caller is None or callee is None or caller.is_go or not caller.address or not callee.address:
        return True
    if caller.module is callee.module and caller.module.calls_directly(caller.address + 1, callee.address):
        return True
    name = caller.module.asked_for(caller.address + 1)
    return bool(name) and callee.module.offers(name)


def _is_bottom(code: Code | None) -> bool:
    """Whether a goroutine begins there."""
    function = code.function if code is not None else None
    return function is not None and function.name.startswith("runtime.goexit")


def _first_go_frame(rest: Sequence[int], code_at: CodeAt) -> int:
    for number, ip in enumerate(rest):
        code = code_at(ip - 1)
        if code is not None and code.is_go and may_be_returned_to(ip, code_at):
            return number
    return len(rest)
