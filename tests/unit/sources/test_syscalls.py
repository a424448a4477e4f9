"""The table of system calls."""

from __future__ import annotations

from gotrace.events.errno import NUMBERS
from gotrace.sources import syscalls


def test_numbers_are_unique_and_within_the_map() -> None:
    numbers = [(call.abi, call.number) for call in syscalls.table()]
    assert len(numbers) == len(set(numbers))
    assert all(0 <= call.number < 512 for call in syscalls.table())


def test_at_most_two_paths_and_four_kinds_of_noise_fit_a_record() -> None:
    assert all(len(call.paths) <= 2 and len(call.noise) <= 4 for call in syscalls.table())


def test_the_counters_have_room_for_all_noise() -> None:
    assert sum(len(call.noise) for call in syscalls.table()) <= 128


def test_every_noise_has_a_number() -> None:
    assert all(name in NUMBERS for call in syscalls.table() for name in call.noise)


def test_well_known_calls() -> None:
    by_name = {(call.abi, call.name): call for call in syscalls.table()}
    assert by_name["x86_64", "openat"].paths == (2,)
    assert by_name["x86_64", "renameat2"].paths == (2, 4)
    assert by_name["i386", "access"].number == 33
    assert "EINVAL" in by_name["x86_64", "readlink"].noise
    assert syscalls.names()["x32", 0] == "read"
