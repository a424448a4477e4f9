"""GT409: a program has instructions that this processor does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import crashed, evidence, loaded_files, rebuild, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.crash import Crash, Meaning, crashes
from gotrace.trace.model import Trace

_TRAPS: Final = frozenset({"ud2", "ud1", "ud0"})
"""What compilers put where a program must not come to."""


class IllegalInstruction(Rule):
    """A program was compiled for another processor than the one that it runs on.

    What it detects
    ---------------
    A program ended by SIGILL. The instruction there was decoded, and which of the processor's features it needs was
    compared with those that /proc/cpuinfo has. An `ud2` is none: compilers put it where a program must not come to.

    Why it happens
    --------------
    `-march=native`, `-mavx512f` and GOAMD64=v3 make code for processors that have more than all have. It runs on the
    machine that built it and ends by SIGILL on an older one, in an emulator, or in a virtual machine that hides the
    feature. Go checks GOAMD64 when a program starts, and says so; nobody checks what C code needs.

    How to fix it
    -------------
    Compile for the oldest processor that it has to run on: without -march=native, or with -march=x86-64-v2. Where the
    faster code is wanted, have both, and choose at run time: __builtin_cpu_supports("avx512f"), or
    __attribute__((target_clones("avx512f","default"))).

    References
    ----------
    - https://gcc.gnu.org/onlinedocs/gcc/x86-Options.html
    - https://go.dev/wiki/MinimumRequirements#amd64
    """

    code = "GT409"
    name = "illegal-instruction"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program."""
        for crash in crashes(trace):
            if crash.meaning is not Meaning.ILLEGAL_INSTRUCTION:
                continue
            fact = next((one for one in trace.facts_of("instruction") if one.subject == crash.signal.instruction), None)
            program = loaded_files.files(trace, crash.span).program
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(crash, fact),
                span=crash.span,
                evidence=evidence.of(crash.signal, crash.span.exit, fact),
                fix=_trap_fixes() if _is_trap(fact) else _fixes(crash, fact, program),
                confidence=1.0 if fact is not None else 0.8,
                explains=frozenset({steps.span_key(crash.span)}),
            )


def _message(crash: Crash, fact: Fact | None) -> str:
    where = f"{crashed.program(crash)} ended by SIGILL in {crashed.function(crash.stack[0] if crash.stack else None)}"
    by = crashed.go_caller(crash)
    where += f", called by {by}" if by else ""
    if fact is None:
        return f"{where}: this processor does not know the instruction there."
    name = fact.data.get("instruction")
    if _is_trap(fact):
        return f"{where}: {name} is what compilers put where a program must not come to."
    lacking = loaded_files.words(fact, "lacking")
    if not lacking:
        return f"{where}: this processor does not know the instruction {name}."
    return f"{where}: the instruction {name} needs {' and '.join(lacking)}, which this processor has not."


def _is_trap(fact: Fact | None) -> bool:
    return fact is not None and fact.data.get("instruction") in _TRAPS


def _trap_fixes() -> list[Fix]:
    return [
        Fix(
            "Look at that function: it was left without a return, called __builtin_trap(), or was compiled with "
            "-fsanitize-undefined-trap-on-error."
        )
    ]


def _fixes(crash: Crash, fact: Fact | None, program: Fact | None) -> list[Fix]:
    ways = []
    level = rebuild.setting(program, "GOAMD64")
    of_go = bool(crash.stack) and crash.stack[0].origin == "go"
    if program is not None and of_go and level not in ("", "v1"):
        ways.append(Fix("Build it for every processor of x86-64.", rebuild.again(program, "GOAMD64=v1")))
    lacking = loaded_files.words(fact, "lacking") if fact is not None else []
    flags = "".join(f" -m{name}" for name in lacking)
    where = "in CGO_CFLAGS and the #cgo lines, and the target attributes of functions"
    ways.append(Fix(f"Compile the C code without -march=native{flags}: look {where}."))
    if lacking:
        text = f'Or choose at run time: if (__builtin_cpu_supports("{lacking[0]}")), and other code elsewhere.'
        ways.append(Fix(text))
    return ways
