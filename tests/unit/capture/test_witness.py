"""What the whole group gets is told from what we get alone. SIGURG does no harm to whoever else is in the group."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gotrace.capture import witness as module
from gotrace.capture.witness import Witness


@pytest.fixture
def witness() -> Iterator[Witness]:
    one = Witness()
    yield one
    one.end()


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_the_group_gets_is_seen_once(witness: Witness) -> None:
    assert witness.seen() == frozenset()
    os.killpg(os.getpgrp(), signal.SIGURG)
    assert witness.seen() == {signal.SIGURG}
    assert witness.seen() == frozenset()


def test_the_next_one_is_seen_again(witness: Witness) -> None:
    for _ in range(3):
        os.killpg(os.getpgrp(), signal.SIGURG)
        assert witness.seen() == {signal.SIGURG}


def test_what_we_alone_get_is_not_seen(witness: Witness) -> None:
    os.kill(os.getpid(), signal.SIGURG)
    assert witness.seen() == frozenset()


def test_it_is_gone_at_the_end() -> None:
    before = children(), descriptors()
    witness = Witness()
    assert len(children()) == len(before[0]) + 1
    witness.end()
    witness.end()
    assert (children(), descriptors()) == before


def test_without_a_program_to_run_nothing_is_ever_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAMS", ("/nowhere/cat",))
    witness = Witness()
    os.killpg(os.getpgrp(), signal.SIGURG)
    assert witness.seen() == frozenset()
    witness.end()
