"""What was counted in place of being told is read as records."""

from __future__ import annotations

import os

import msgspec

from gotrace.sources.ebpf.bursts import Bursts
from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.ring import HEADER_BYTES
from tests.unit.sources.ebpf import raw_run

LAYOUT = msgspec.convert(raw_run.INFO["layouts"]["burst"], Layout)


def test_only_places_with_counted_calls_are_told() -> None:
    counted, nothing_folded = (raw_run.burst(9, 7, 21, 2, 99, folded) for folded in (5, 0))
    size, entries = format_of(LAYOUT).size, 64
    descriptor = os.memfd_create("bursts")
    os.write(descriptor, b"".join(one[HEADER_BYTES : HEADER_BYTES + size] for one in (nothing_folded, counted)))
    os.truncate(descriptor, 8192)

    bursts = Bursts(descriptor, entries, LAYOUT)

    assert bursts.records()[HEADER_BYTES : HEADER_BYTES + size] == counted[HEADER_BYTES : HEADER_BYTES + size]
    assert len(bursts.records()) == len(counted)
    bursts.close()
    os.close(descriptor)
