"""Facts of the files of a run: what a program needs, and where the libraries lie that its loader did not find."""

from __future__ import annotations

import shutil
from pathlib import Path

from gotrace.capture.facts.binaries import binary_facts, described
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.shared_objects import shared_object_facts
from gotrace.events.model import Exec, Exit, KnownEvent, Library, SyscallError

LIBC = "/lib/x86_64-linux-gnu/libc.so.6"


def run(program: str, *events: KnownEvent, status: int = 127, cwd: str = "/") -> list[KnownEvent]:
    start = Exec(ts_ns=1, pid=7, path=program, argv=(program,), env={}, cwd=cwd)
    return [start, *events, Exit(ts_ns=99, pid=7, status=status)]


def missing(*paths: str) -> list[SyscallError]:
    return [SyscallError(ts_ns=2 + n, pid=7, syscall="openat", errno=2, paths=(path,)) for n, path in enumerate(paths)]


def test_a_failed_programs_files_are_described_with_its_loader() -> None:
    events = run("/bin/ls", Library(ts_ns=2, pid=7, path=LIBC, base=4096, size=4096))
    facts = {fact.subject: fact.data for fact in binary_facts(Processes(events), events)}
    program = facts["/bin/ls"]
    assert (program["machine"], program["interpreter"]) == ("x86_64", "/lib64/ld-linux-x86-64.so.2")
    assert program["interpreter_there"] is True
    assert "libc.so.6" in program["needed"]
    assert {"library": "libc.so.6", "version": "GLIBC_2.34", "symbols": ["__libc_start_main"]} in program["versions"]
    assert facts[LIBC]["libc"]["flavour"] == "glibc"
    assert "/lib64/ld-linux-x86-64.so.2" in facts


def test_nothing_is_asked_of_what_ended_well() -> None:
    events = run("/bin/ls", status=0)
    assert binary_facts(Processes(events), events) == []
    assert shared_object_facts(Processes(run("/bin/ls", *missing("/lib/libx.so"), status=0))) == []


def test_a_program_that_could_not_be_executed_is_described() -> None:
    refused = Exec(ts_ns=1, pid=7, path="/bin/ls", argv=("ls",), error=2)
    assert [fact.subject for fact in binary_facts(Processes([refused]), [refused])][:1] == ["/bin/ls"]


def test_what_is_no_elf_file_is_not_described(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert described(str(tmp_path / "script"), 7) is None
    assert described(str(tmp_path / "nothing"), 7) is None
    assert described("/dev/null", 7) is None


def test_a_library_that_lies_beside_the_program_is_found(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    shutil.copy(LIBC, tmp_path / "lib/libfoo.so.1")
    program = str(tmp_path / "app")
    events = run(program, *missing("/lib/libfoo.so.1", "/usr/lib/libfoo.so.1"), cwd=str(tmp_path))
    (fact,) = shared_object_facts(Processes(events))
    assert (fact.subject, fact.data["tried"]) == ("libfoo.so.1", ["/lib", "/usr/lib"])
    assert fact.data["found"] == [{"path": f"{tmp_path}/lib/libfoo.so.1", "machine": "x86_64", "bits": 64}]
