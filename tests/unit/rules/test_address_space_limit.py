"""address-space-limit: a limit that was seen, or what Go's runtime says where none was."""

from __future__ import annotations

from errno import ENOMEM

from gotrace.events.model import SyscallError
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings

RESERVED = (0, 512 << 20, 0, 0x22, -1 & (1 << 64) - 1, 0)


def reserves(args: tuple[int, ...] = RESERVED) -> Program:
    program = Program()
    program.events.append(SyscallError(ts_ns=2000, seq=2, pid=PID, tid=PID, syscall="mmap", errno=ENOMEM, args=args))
    return program


def test_the_limit_is_told_where_it_was_seen() -> None:
    program = reserves()
    program.fact("confinement", limits={"as": [200 << 20, None]}, seen=True, pid=PID)
    assert program.finding("address-space-limit").message == (
        "app could not reserve 512 MiB of address space: its limit is 200 MiB (ulimit -v 204800)."
    )


def test_without_a_limit_it_is_memory_that_lacks() -> None:
    assert reserves().findings() == []
    program = reserves()
    program.fact("confinement", limits={"as": [None, None]}, seen=True, pid=PID)
    assert program.findings() == []


def test_a_real_one() -> None:
    assert finding("address-space-limit").message.startswith("app could not reserve 512 MiB of address space")
    assert findings("address-space-limit.fixed") == []
