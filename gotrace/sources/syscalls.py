"""The table of system calls: names, path arguments, and the errno values that healthy programs get all the time."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_ADDRESSES: Final = {"bind": 2, "connect": 2, "sendto": 5}
_TABLE = Path(__file__).with_name("data") / "syscalls.tsv"


class Syscall(NamedTuple):
    """One system call of one ABI (x86_64 or i386)."""

    abi: str
    number: int
    name: str
    paths: tuple[int, ...]
    """Positions, from 1, of its path arguments (two at most)."""
    noise: tuple[str, ...]
    """Names of errno values that are counted, not streamed."""

    @property
    def address(self) -> int:
        """Position, from 1, of the socket address it names, whose length is the next argument; 0: it names none."""
        return _ADDRESSES.get(self.name, 0)


@cache
def table() -> tuple[Syscall, ...]:
    """All known calls, in the order of the data file."""
    calls = []
    for line in _TABLE.read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        abi, number, name, paths, noise = line.split("\t")
        calls.append(
            Syscall(
                abi,
                int(number),
                name,
                tuple(int(position) for position in paths.split(",")) if paths != "-" else (),
                tuple(noise.split(",")) if noise != "-" else (),
            )
        )
    return tuple(calls)


@cache
def names() -> dict[tuple[str, int], str]:
    """(abi, number) -> name. x32 calls below 512 have the names of x86-64."""
    known = {(call.abi, call.number): call.name for call in table()}
    known |= {("x32", call.number): call.name for call in table() if call.abi == "x86_64"}
    return known


def names_an_address(name: str) -> bool:
    """Whether a call of that name has a socket address in place of paths: see `Syscall.address`."""
    return name in _ADDRESSES
