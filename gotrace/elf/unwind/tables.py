"""The unwind tables of a file (.eh_frame): which description covers an address.

Where there is an .eh_frame_hdr its sorted table is searched in place; nothing else is read. A static program has none:
there .eh_frame is listed once.
Source: Linux Standard Base, "Exception Frames"; the gABI's x86-64 supplement, section 3.7.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from functools import cached_property
from typing import Final, NamedTuple

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.unwind.cursor import OMITTED, Cursor, DamagedTableError

PT_GNU_EH_FRAME: Final = 0x6474E550
_SORTED_BY_DATA_RELATIVE_WORDS: Final = 0x3B
_WORDS: Final = struct.Struct("<ii")
_LARGEST_RECORD: Final = 1 << 16
_LARGEST_SECTION: Final = 1 << 24
_MOST_LISTED: Final = 200_000


class Common(NamedTuple):
    """What many descriptions share (a CIE)."""

    code_factor: int
    data_factor: int
    return_register: int
    pointer_encoding: int
    has_length: bool
    """Its descriptions say how long their augmentation is."""
    signal: bool
    program: bytes


class Description(NamedTuple):
    """How to leave any place of a function (an FDE): the addresses it covers, and the program of its rules."""

    start: int
    size: int
    common: Common
    program: bytes

    @property
    def signal(self) -> bool:
        """The function is where a signal handler returns to: its caller is what the signal interrupted."""
        return self.common.signal


class _Listing(NamedTuple):
    """All starts in order, and where their descriptions are."""

    starts: list[int]
    places: list[int]


class FrameTable:
    """The descriptions of one file. Nothing raises: damage is an address that nothing covers."""

    def __init__(self, file: ElfFile) -> None:
        self._file = file
        self._commons: dict[int, Common] = {}

    def covering(self, address: int) -> Description | None:
        """The description of the function that the address is in; None where there is none."""
        try:
            place = self._place(address)
            found = None if place is None else self._description(place)
        except (DamagedTableError, OSError):
            return None
        return found if found is not None and 0 <= address - found.start < found.size else None

    def _place(self, address: int) -> int | None:
        """Where the description with the nearest start below is."""
        table = self._sorted
        if table is None:
            listing = self._listing
            number = bisect_right(listing.starts, address) - 1
            return listing.places[number] if number >= 0 else None
        base, first, count = table
        low, high = 0, count
        while low < high:
            middle = (low + high) // 2
            if self._entry(first, middle)[0] + base <= address:
                low = middle + 1
            else:
                high = middle
        return base + self._entry(first, low - 1)[1] if low else None

    def _entry(self, first: int, number: int) -> tuple[int, int]:
        raw = self._file.at(first + number * _WORDS.size, _WORDS.size)
        if len(raw) < _WORDS.size:
            raise DamagedTableError
        start, place = _WORDS.unpack(raw)
        return start, place

    @cached_property
    def _sorted(self) -> tuple[int, int, int] | None:
        """Where .eh_frame_hdr is, where its table begins, and how many entries that has."""
        segment = next((one for one in self._file.segments if one.type == PT_GNU_EH_FRAME), None)
        if segment is None:
            return None
        try:
            head = Cursor(self._file.at(segment.address, 32), segment.address)
            version, frames, count, table = head.take(4)
            if version != 1 or table != _SORTED_BY_DATA_RELATIVE_WORDS or OMITTED in (frames, count):
                return None
            head.pointer(frames, segment.address)
            entries = head.pointer(count, segment.address)
        except DamagedTableError:
            return None
        return segment.address, head.here, min(entries, segment.file_size // _WORDS.size)

    @cached_property
    def _listing(self) -> _Listing:
        section = self._file.section(".eh_frame")
        found: list[tuple[int, int]] = []
        if section is not None:
            address = section.address
            end = address + min(section.size, _LARGEST_SECTION)
            try:
                while address < end and len(found) < _MOST_LISTED:
                    length = self._length(address)
                    described = self._description(address) if length else None
                    if described is not None:
                        found.append((described.start, address))
                    address += 4 + length
            except DamagedTableError:
                pass  # what was listed until there is good
        found.sort()
        return _Listing([start for start, _ in found], [place for _, place in found])

    def _length(self, place: int) -> int:
        raw = self._file.at(place, 4)
        length = int.from_bytes(raw, "little")
        if len(raw) < 4 or length > _LARGEST_RECORD:
            raise DamagedTableError
        return length

    def _record(self, place: int) -> Cursor:
        length = self._length(place)
        data = self._file.at(place + 4, length)
        if len(data) < length or length < 4:
            raise DamagedTableError
        return Cursor(data, place + 4)

    def _description(self, place: int) -> Description | None:
        """The description there; None for what is none (a CIE)."""
        record = self._record(place)
        here = record.here
        back = record.unsigned(4)
        if back == 0:
            return None
        common = self._common(here - back)
        start = record.pointer(common.pointer_encoding)
        size = record.pointer(common.pointer_encoding & 0x0F)
        if common.has_length:
            record.take(record.uleb())
        return Description(start, size, common, record.take(record.left))

    def _common(self, place: int) -> Common:
        found = self._commons.get(place)
        if found is None:
            found = self._commons[place] = _read_common(self._record(place))
        return found


def _read_common(record: Cursor) -> Common:
    if record.unsigned(4) != 0:
        raise DamagedTableError
    version = record.byte()
    if version not in (1, 3):
        raise DamagedTableError
    augmentation = record.text()
    code_factor, data_factor = record.uleb(), record.sleb()
    return_register = record.byte() if version == 1 else record.uleb()
    encoding = 0
    if augmentation.startswith(b"z"):
        extra = Cursor(record.take(record.uleb()))
        encoding = _pointer_encoding(augmentation[1:], extra)
    elif augmentation:
        raise DamagedTableError
    return Common(
        code_factor,
        data_factor,
        return_register,
        encoding,
        augmentation.startswith(b"z"),
        b"S" in augmentation,
        record.take(record.left),
    )


def _pointer_encoding(letters: bytes, extra: Cursor) -> int:
    """What the augmentation says of pointers; a letter that is not known ends it, as its length is known."""
    encoding = 0
    for letter in letters:
        if letter == ord("R"):
            encoding = extra.byte()
        elif letter == ord("P"):
            extra.pointer(extra.byte() & 0x0F)
        elif letter == ord("L"):
            extra.byte()
        elif letter not in b"SB":
            break
    return encoding
