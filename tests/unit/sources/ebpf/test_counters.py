"""Counters: summed over CPUs, told by kind, noise by name. A memfd stands in for the kernel's array."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from gotrace.events.model import Lost
from gotrace.sources import syscalls
from gotrace.sources.ebpf import unit
from gotrace.sources.ebpf.counters import Counters

C = unit.constants()


@pytest.fixture
def array() -> Iterator[int]:
    descriptor = os.memfd_create("counters")
    os.truncate(descriptor, C["COUNTER_CPUS"] * C["COUNTER_ROW"] * 8)
    yield descriptor
    os.close(descriptor)


def add(array: int, cpu: int, slot: int, value: int) -> None:
    os.pwrite(array, struct.pack("<Q", value), (cpu * C["COUNTER_ROW"] + slot) * 8)


def test_a_counter_is_the_sum_over_all_cpus(array: int) -> None:
    counters = Counters(array, C)
    for cpu in range(os.cpu_count() or 1):
        add(array, cpu, C["COUNTER_TERMINAL_WRITES"], 2)
    assert counters.value("COUNTER_TERMINAL_WRITES") == 2 * (os.cpu_count() or 1)


def test_each_loss_names_what_and_why(array: int) -> None:
    add(array, 0, C["COUNTER_LOST_FAILURE"], 7)
    add(array, 0, C["COUNTER_UNFOLLOWED"], 1)
    counters = Counters(array, C)

    failure, unfollowed = counters.lost(99)
    assert failure == Lost(ts_ns=99, pid=0, what="syscall_error", count=7, reason="ring buffer full")
    # Nothing at all is known of a process that was not followed: no rule may conclude from absence then.
    assert (unfollowed.what, unfollowed.count) == ("unknown", 1)


def test_nothing_lost_is_no_event(array: int) -> None:
    assert Counters(array, C).lost(1) == []


def test_noise_is_told_by_call_and_errno(array: int) -> None:
    order = [(call, error) for call in syscalls.table() for error in call.noise]
    for index, (call, error) in enumerate(order):
        if (call.abi, call.name, error) in {("x86_64", "readlink", "EINVAL"), ("i386", "futex", "EINTR")}:
            add(array, 0, C["COUNTER_NOISE"] + index, 5)
    add(array, 0, C["COUNTER_INTERRUPTED"], 3)

    assert Counters(array, C).noise() == {"readlink EINVAL": 5, "i386 futex EINTR": 5, "interrupted": 3}
