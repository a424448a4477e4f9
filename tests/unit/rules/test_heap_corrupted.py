"""heap-corrupted: glibc's malloc aborted."""

from __future__ import annotations

import pytest

from gotrace.events.model import Frame, Library, Signal
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.scenes import lines

NAME = "heap-corrupted"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
OF_LIBC = ("", "raise", "abort", "", "", "", "free")
OF_GO = ("runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_release", "main.main", "runtime.main")
DOUBLE = "free(): double free detected in tcache 2"


def frames(libc: tuple[str, ...], c: tuple[str, ...] = (), go: tuple[str, ...] = OF_GO) -> tuple[Frame, ...]:
    found = [Frame(ip=1, module=LIBC, symbol=name, origin="libc") for name in libc]
    found += [Frame(ip=2, module="/srv/app", symbol=name, origin="c") for name in c]
    return (*found, *(Frame(ip=3, module="/srv/app", symbol=name, origin="go") for name in go))


def aborted(*stack: Frame, said: str = DOUBLE, signal: int = 6, code: int = -6) -> Program:
    """A program of Go that ended itself by a signal; Go tells of it, and exits with 2."""
    program = Program()
    program.events.append(Library(ts_ns=1100, pid=PID, path="/srv/app", base=1, size=9))
    if said:
        program.says(said)
    one = Signal(ts_ns=50_000, pid=PID, tid=PID, signal=signal, code=code, sender=PID, handled=True, stack=stack)
    program.events.append(one)
    program._now = 50_000
    program.says("SIGABRT: abort")
    return program


def name_of_first(program: Program) -> list[str]:
    return [one.name for one in program.findings(status=2)]


def test_a_double_free_says_who_freed_it_last() -> None:
    (finding,) = aborted(*frames(OF_LIBC)).findings(status=2)
    assert finding.name == NAME
    assert finding.message == (
        "The C library found its heap damaged in free (C.release, called by main.main) and ended app: "
        f"{DOUBLE}. That is to say, the same block is freed twice."
    )
    assert finding.fix[0].text.startswith("Free the block in one place only")


def test_a_function_of_c_is_named_where_there_is_one() -> None:
    (finding,) = aborted(*frames(OF_LIBC, ("close_handle", "_cgo_0123_Cfunc_shut"))).findings(status=2)
    assert "in free (close_handle, called by main.main)" in finding.message


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("free(): invalid pointer", "freed that malloc did not give"),
        ("munmap_chunk(): invalid pointer", "freed that malloc did not give"),
        ("malloc(): corrupted top size", "written past the end of a block"),
        ("corrupted size vs. prev_size", "written past the end of a block"),
        ("double free or corruption (out)", "freed twice"),
    ],
)
def test_the_words_of_glibc_are_explained(said: str, meaning: str) -> None:
    (finding,) = aborted(*frames(OF_LIBC), said=said).findings(status=2)
    assert meaning in finding.message


def test_without_words_the_stack_tells() -> None:
    (finding,) = aborted(*frames(OF_LIBC), said="").findings(status=2)
    assert finding.message == (
        "The C library found its heap damaged in free (C.release, called by main.main) and ended app."
    )
    assert finding.confidence < 1.0


def test_a_program_that_was_built_with_cgo_is_built_again() -> None:
    program = aborted(*frames(OF_LIBC))
    go = {"version": "go1.26.6", "path": "example.org/app", "settings": {"CGO_ENABLED": "1"}}
    program.fact("binary", "/srv/app", go=go)
    (finding,) = program.findings(status=2)
    assert lines(finding) == ["env CGO_ENABLED=1 go build -asan -o app example.org/app"]


def test_who_aborts_for_another_reason_has_a_heap_that_is_well() -> None:
    other = ("", "raise", "abort", "__assert_fail")
    assert name_of_first(aborted(*frames(other), said="app: a.c:1: f: Assertion `x' failed.")) == []
    assert name_of_first(aborted(*frames(("", "raise", "abort"), ("on_error", "free")), said="")) == []
    assert name_of_first(aborted(*frames(("free",)), signal=11, code=1)) == []
