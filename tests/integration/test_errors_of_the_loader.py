"""Answers of dlerror, by both sources: also a NULL, where a failure was waiting to be asked about."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Dlerror
from gotrace.sources.base import Source, Target
from gotrace.sources.ebpf.source import EbpfSource
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.observing import observe

PROGRAM = Path(__file__).parent / "programs/asks_elsewhere.c"


@pytest.mark.parametrize("source", [EbpfSource, PtraceSource])
@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_a_null_is_told_once_for_each_failure_that_nobody_asked_about(
    source: Callable[[], Source], compiler: str, tool: Callable[[str], str], tmp_path: Path
) -> None:
    program, answers = tmp_path / "asks", tmp_path / "answers"
    subprocess.run([tool(compiler), "-O1", "-pthread", "-o", program, PROGRAM], check=True)
    command = f"exec {program} > {answers}"

    target = Target(secrets.randbits(63), running=True, program=str(program))
    seen = observe(["/bin/sh", "-c", command], source=source(), target=target)

    assert (seen.wait_status, seen.lost) == (0, [])
    lines = answers.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["not", "told", "not", "told", "told", "not", "not"]
    assert "told NULL" in lines
    expected = [line.removeprefix("told ") for line in lines if line.startswith("told ")]
    assert [event.text or "NULL" for event in seen.events if isinstance(event, Dlerror)] == expected
