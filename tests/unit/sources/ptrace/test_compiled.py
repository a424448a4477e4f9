"""Which loop is taken: the compiled one where it is there and fits, else the one in Python."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from gotrace.sources.ptrace import compiled
from gotrace.sources.ptrace.compiled import CompiledStops, stops_of
from gotrace.sources.ptrace.stops import PythonStops


@pytest.fixture
def words() -> memoryview:
    return memoryview(bytearray(512)).cast("Q")


@pytest.fixture(autouse=True)
def no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOTRACE_PTRACE_LOOP", raising=False)


def test_the_compiled_one_where_it_fits(words: memoryview) -> None:
    assert isinstance(stops_of(words), CompiledStops)


def test_the_other_one_on_request(words: memoryview, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", "python")
    assert isinstance(stops_of(words), PythonStops)


def test_nothing_was_compiled(words: memoryview, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "_LIBRARY", tmp_path / "_stops.so")
    assert isinstance(stops_of(words), PythonStops)


def test_no_library_at_all(words: memoryview, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "_stops.so").write_bytes(b"\x7fELF, or so")
    monkeypatch.setattr(compiled, "_LIBRARY", tmp_path / "_stops.so")
    assert isinstance(stops_of(words), PythonStops)


def test_a_library_that_is_another_one(words: memoryview, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_LIBRARY", "libc.so.6")
    assert isinstance(stops_of(words), PythonStops)


@pytest.mark.parametrize("name", ["PATH_LIMIT", "MARKS"])
def test_a_library_that_means_something_else(words: memoryview, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As if stops.c had been compiled before the Python side was changed."""
    monkeypatch.setattr(compiled, name, getattr(compiled, name) * 2)
    assert isinstance(stops_of(words), PythonStops)


@pytest.mark.parametrize("loop", ["compiled", "python"])
def test_where_there_is_no_tracee(words: memoryview, monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    """In a process of its own, which has no children: a test before this one may have left some."""
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)
    child = os.fork()
    if child == 0:
        try:
            with_no_tracee(words)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def with_no_tracee(words: memoryview) -> None:
    stops = stops_of(words)
    with pytest.raises(ChildProcessError):
        stops.next(wait=True)
    nobody = 1 << 22
    stops.resume(nobody)
    stops.until_return(nobody)
    stops.listen(nobody)
    assert stops.registers(nobody) == ()
