"""illegal-instruction: which one, which feature of the processor, and whether it is one at all."""

from __future__ import annotations

from typing import Any

from gotrace.events.model import Library, Signal
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out

CODE = "0f0b660f1f440000"


def crashes(**fact: Any) -> Program:
    program = Program()
    program.events += [
        Library(ts_ns=2000, seq=2, pid=PID, tid=PID, path="/srv/app", base=0x400000, size=0x10000),
        Signal(ts_ns=3000, seq=3, pid=PID, tid=PID, signal=4, code=2, address=0x401000, ip=0x401000, instruction=CODE),
    ]
    if fact:
        program.fact("instruction", CODE, **fact)
    return program


def message(program: Program) -> str:
    (found,) = program.findings(status=None, signal=4)
    return found.message


def test_the_feature_that_the_processor_lacks() -> None:
    found = finding("illegal-instruction")
    assert found.message.endswith(
        "called by main.main: the instruction vprotd needs xop, which this processor has not."
    )
    assert '__builtin_cpu_supports("xop")' in ways_out(found)


def test_a_trap_of_the_compiler_is_no_matter_of_processors() -> None:
    program = crashes(instruction="ud2", operands="", features=[], lacking=[])
    assert message(program).endswith("ud2 is what compilers put where a program must not come to.")


def test_an_instruction_that_nobody_looked_at() -> None:
    assert message(crashes()).endswith("this processor does not know the instruction there.")


def test_code_for_all_processors() -> None:
    assert findings("illegal-instruction.fixed") == []
