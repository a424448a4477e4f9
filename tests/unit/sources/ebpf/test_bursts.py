"""What was counted in place of being told is read as records."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest

from gotrace.sources.ebpf.bursts import Bursts
from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.ring import HEADER_BYTES
from tests.unit.sources.ebpf import raw_run

MADE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "burst": ("folded", lambda number: raw_run.burst(9, 7, 21, 2, 99, number)),
    "clock_reads": ("calls", lambda number: raw_run.clock_reads(9, 7, 228, number)),
}


@pytest.mark.parametrize("structure", MADE)
def test_only_places_with_counted_calls_are_told(structure: str) -> None:
    layout = msgspec.convert(raw_run.INFO["layouts"][structure], Layout)
    counter, record = MADE[structure]
    counted, nothing = record(5), record(0)
    size, entries = format_of(layout).size, 64
    descriptor = os.memfd_create("bursts")
    os.write(descriptor, b"".join(one[HEADER_BYTES : HEADER_BYTES + size] for one in (nothing, counted)))
    os.truncate(descriptor, 8192)

    bursts = Bursts(descriptor, entries, layout, counter)

    assert bursts.records()[HEADER_BYTES : HEADER_BYTES + size] == counted[HEADER_BYTES : HEADER_BYTES + size]
    assert len(bursts.records()) == len(counted)
    bursts.close()
    os.close(descriptor)
