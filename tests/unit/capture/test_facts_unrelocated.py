"""What was at the address of a fault before it was relocated, as a fact about the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.unrelocated import unrelocated_facts
from gotrace.events.model import Exec, Exit, KnownEvent, Library, Signal
from tests.unit.elf.test_unrelocated import INIT, library, words

PROGRAM = "/bin/ls"


@pytest.fixture
def lazy(tmp_path: Path) -> str:
    path = tmp_path / "liblazy.so"
    path.write_bytes(library(packed=words(INIT)))
    return str(path)


def crash(path: str, *, ip: int, address: int, status: int = 2, code: int = 1) -> list[KnownEvent]:
    return [
        Exec(ts_ns=1, pid=7, path=PROGRAM, argv=(PROGRAM,), env={}, cwd="/"),
        Library(ts_ns=2, pid=7, path=PROGRAM, base=4096, size=4096),
        Library(ts_ns=3, pid=7, path=path, base=1 << 40, size=4096),
        Signal(ts_ns=4, pid=7, tid=8, signal=11, code=code, ip=ip, address=address),
        Exit(ts_ns=9, pid=7, status=status),
    ]


def facts(events: list[KnownEvent]) -> list[tuple[str, dict[str, object], int]]:
    return [(one.subject, one.data, one.pid) for one in unrelocated_facts(Processes(events), events)]


def test_the_function_that_was_called(lazy: str) -> None:
    found = facts(crash(lazy, ip=0x1046, address=0x1046))
    assert found == [(lazy, {"address": 0x1046, "kind": "plt", "symbol": "__sprintf_chk"}, 7)]


def test_the_constructor_that_was_called(lazy: str) -> None:
    found = facts(crash(lazy, ip=0x10E0, address=0x10E0))
    assert found == [(lazy, {"address": 0x10E0, "kind": "relr", "table": "init_array"}, 7)]


def test_data_that_was_looked_at(lazy: str) -> None:
    assert facts(crash(lazy, ip=1 << 40, address=0x10E0)) == [
        (lazy, {"address": 0x10E0, "kind": "relr", "table": "init_array"}, 7)
    ]


def test_faults_that_have_nothing_to_do_with_it(lazy: str) -> None:
    assert facts(crash(lazy, ip=0, address=0)) == []
    assert facts(crash(lazy, ip=1 << 40, address=1 << 40)) == []
    assert facts(crash(lazy, ip=0x1046, address=0x1046, status=0)) == []
    assert facts(crash(lazy, ip=0x1046, address=0x1046, code=-6)) == []
    assert facts(crash(f"{lazy}.gone", ip=0x1046, address=0x1046)) == []
