"""What hostile tests share: the programs, compiled once, and the two loops that wait for stops."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.watched import compiled


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives the path of a program of programs/."""
    folder = tmp_path_factory.mktemp("hostile")
    return lambda name: compiled(name, folder)


@pytest.fixture(params=["compiled", "python"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The loop of the ptrace source that a test runs under."""
    name = str(request.param)
    package = importlib.util.find_spec("gotrace.sources.ptrace")
    assert package is not None
    assert package.origin is not None
    if name == "compiled" and not Path(package.origin).with_name("_stops.so").exists():
        pytest.skip("stops.c is not compiled; `make setup` compiles it")
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", name)
    return name
