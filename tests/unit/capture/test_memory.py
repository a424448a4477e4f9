"""Whose memory is: smaps(5) as Go programs had them, and how often it is read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture import memory
from gotrace.capture.memory import Memories, owners_of

SECOND = 1_000_000_000
MIB = 1 << 20


def mapping(addresses: str, rights: str, inode: int, name: str, kib: int) -> bytes:
    """One mapping as the kernel tells it, with the lines that matter and some that do not."""
    return (
        f"{addresses} {rights} 00000000 00:00 {inode} {' ' * 22}{name}\n"
        f"Size:               9999 kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n"
        f"Rss:           {kib:9d} kB\nPss:                   1 kB\nTHPeligible:           0\n"
        "VmFlags: rd wr mr mw me ac \n"
    ).encode()


LIBC = mapping("7fd9f9f56000-7fd9f9f7c000", "r--p", 326269, "/usr/lib/x86_64-linux-gnu/libc.so.6", 152)


@pytest.mark.parametrize(
    ("one", "owner"),
    [
        (mapping("00400000-00402000", "r-xp", 10815012, "/tmp/leak", 8), "files"),
        (mapping("0058c000-005c2000", "rw-p", 0, "", 8), "c"),
        (mapping("0e1ee000-106b4000", "rw-p", 0, "[heap]", 8), "c"),
        (mapping("c000000000-c000400000", "rw-p", 0, "", 8), "go"),
        (mapping("21ee51000000-21ee51800000", "rw-p", 0, "", 8), "go"),
        (mapping("21ee51000000-21ee51800000", "rw-p", 0, "[anon: Go: heap]", 8), "go"),
        (mapping("7fd9b3400000-7fd9b5400000", "rw-p", 0, "[anon: Go: page summary]", 8), "go"),
        (mapping("7fd9b0a5c000-7fd9b125c000", "rw-p", 0, "", 8), "c"),
        (mapping("7ffd00000000-7ffd00021000", "rw-p", 0, "[stack]", 8), "c"),
        (mapping("7fd9b0000000-7fd9b0001000", "rw-s", 0, "", 8), "shared"),
        (mapping("7fd9b0000000-7fd9b0001000", "rw-p", 7, "/memfd:x (deleted)", 8), "shared"),
        (mapping("7fd9b0000000-7fd9b0001000", "rw-p", 7, "/dev/shm/a b", 8), "shared"),
    ],
)
def test_whose_a_mapping_is(one: bytes, owner: str) -> None:
    told = owners_of(LIBC + one)
    told["files"] -= 152
    assert {name: kib for name, kib in told.items() if kib} == {owner: 8}


def test_heaps_of_mallocs_arenas_are_counted() -> None:
    heaps = [mapping(f"7fd{digit}9c000000-7fd{digit}9c021000", "rw-p", 0, "", 4) for digit in "123"]
    kept = mapping("7fd19c021000-7fd1a0000000", "---p", 0, "", 0)
    assert owners_of(b"".join([*heaps, kept]))["arenas"] == 3


def test_where_libraries_lie_among_gos_heap_nothing_is_told() -> None:
    """So it is with `ulimit -s unlimited`, by which the kernel maps from a third of the addresses upwards."""
    assert owners_of(mapping("2aaaaaaab000-2aaaaaacc000", "r-xp", 9, "/lib/ld-linux-x86-64.so.2", 4)) == {}


@given(st.binary(max_size=400))
def test_nothing_it_may_say_breaks_us(text: bytes) -> None:
    assert all(kib >= 0 for kib in owners_of(text + LIBC[:60] + text).values())


class Kernel:
    """What /proc says of one process, made up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident: int | None = 4 * MIB
        self.looked = 0
        self.asked = 0
        monkeypatch.setattr(memory, "_resident", self._resident)
        monkeypatch.setattr(memory, "_owners", self._owners)

    def _resident(self, _pid: int) -> int | None:
        self.looked += 1
        return self.resident

    def _owners(self, _pid: int) -> dict[str, int]:
        self.asked += 1
        return {"c": (self.resident or 0) >> 10}


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def test_it_is_read_once_a_second(kernel: Kernel) -> None:
    memories = Memories()
    for tick in range(100):
        memories.look(tick * SECOND // 10, [7])
    assert kernel.looked == 10
    assert kernel.asked == 1
    assert memories.facts(10 * SECOND) == []


def test_whose_it_is_only_where_much_came(kernel: Kernel) -> None:
    memories = Memories()
    for second in range(61):
        kernel.resident = (4 + 4 * second) * MIB
        memories.look(second * SECOND, [7])

    (fact,) = memories.facts(61 * SECOND)
    assert (fact.name, fact.pid, fact.data["pid"], fact.data["since_ns"]) == ("memory", 7, 7, 0)
    assert fact.data["resident"][:2] == [[0, 4096], [1000, 8192]]
    parted = [one["c"] >> 10 for one in fact.data["owners"]]
    assert parted == [8, 40, 72, 104, 136, 172, 216, 244]  # the first, each 32 MiB or a fourth more, and the last


def test_the_owners_of_very_much_are_not_looked_for(kernel: Kernel) -> None:
    memories = Memories()
    for second in range(10):
        kernel.resident = (second << 30) + MIB
        memories.look(second * SECOND, [7])
    (fact,) = memories.facts(10 * SECOND)
    assert [one["c"] >> 20 for one in fact.data["owners"]] == [1, 2, 3]
    assert fact.data["resident"][-1][1] >> 20 == 9


def test_over_hours_seldomer(kernel: Kernel) -> None:
    memories = Memories()
    for second in range(20_000):
        kernel.resident = (4 << 20) + second * 10_000
        memories.look(second * SECOND, [7])
    (fact,) = memories.facts(20_000 * SECOND)
    assert len(fact.data["resident"]) <= 64
    assert fact.data["resident"][0] == [0, 4096]
    assert fact.data["resident"][-1][0] > 19_000_000
    assert kernel.looked < 600


def test_a_process_that_is_gone_is_not_forgotten(kernel: Kernel) -> None:
    memories = Memories()
    for second, mib in enumerate((1, 50, 90)):
        kernel.resident = mib * MIB
        memories.look(second * SECOND, [7])
    kernel.resident = None
    memories.look(9 * SECOND, [7])
    assert [one[0] for one in memories.facts(9 * SECOND)[0].data["resident"]] == [0, 1000, 2000]


def test_processes_without_number_that_hold_little_are_forgotten(kernel: Kernel) -> None:
    memories = Memories()
    for pid in range(1, 1000):
        memories.look(pid, [pid])
    assert len(memories._held) <= 33


def test_a_command_with_many_processes_is_none_that_is_read(kernel: Kernel) -> None:
    Memories().look(0, range(1, 1000))
    assert kernel.looked == 32


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Takes 100 MiB at each line."""
    program = (
        "import sys\nkept=[]\nprint(flush=True)\nfor line in sys.stdin: kept.append(b'x'*(100<<20)); print(flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def test_a_real_process(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    assert holder.stdout is not None
    memories = Memories()
    began = time.monotonic_ns()
    for second in range(4):
        memories.look(began + second * SECOND, [holder.pid, os.getpid()])
        holder.stdin.write("\n")
        holder.stdin.flush()
        holder.stdout.readline()

    (fact,) = [one for one in memories.facts(began + 4 * SECOND) if one.pid == holder.pid]
    first, *_, last = fact.data["owners"]
    assert 290_000 < last["c"] - first["c"] < 330_000
    assert last["go"] == first["go"] == 0
    assert last["files"] - first["files"] < 1000
