"""Reads and writes recordings (.gotrace, .gotrace.zst): a header line, one JSON line per event, an end record.

The end record is the last line: `{"kind":"end","events":N,"crc32":C}`, where N counts the lines between it and the
header, and C is the CRC-32 (as of zlib) of all bytes in front of it, unpacked. `"sealed":true` in the header promises
it; a recording with neither is read as well.
"""

from __future__ import annotations

import errno
import itertools
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar, get_args

import msgspec
import zstandard

from gotrace.errors import RecordingError
from gotrace.events.errno import errno_text
from gotrace.events.lines import Lines
from gotrace.events.model import KnownEvent, Unknown
from gotrace.events.replacement import Replacement, shown

MAGIC = "gotrace"
SCHEMA = 1

_BATCH = 4096
_MOST_EVENTS = 10_000_000
"""A hundred times a large build; more would not fit into memory."""
_MOST_SKIPPED = 100_000
"""Unreadable lines after which the rest of a file is not worth the time."""
_RECORD_AGAIN = "Record the command again: gotrace build -o FILE -- COMMAND."
_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)
"""What msgspec raises for bad JSON and wrong types, deep nesting, and bad UTF-8."""

T = TypeVar("T")


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Line 1 of a recording: who recorded what, where, and what could be seen.

    `wall_offset_ns` added to an event's `ts_ns` gives nanoseconds of the Unix epoch. `host` has the keys machine,
    kernel, distribution, distribution_version, distribution_codename, libc, and package_lists ("none" where apt has no
    lists yet). `running`: it is of a program's run, not of a build. `attached`: the process that was attached to while
    it ran, 0 where the command was launched.
    """

    magic: str = MAGIC
    schema: int = SCHEMA
    version: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    source: str = ""
    observes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    host: dict[str, Any] = {}
    boot_id: str = ""
    wall_offset_ns: int = 0
    pid_namespace: int = 0
    started_ns: int = 0
    running: bool = False
    attached: int = 0


class Recording(msgspec.Struct, kw_only=True):
    """A recording as far as it could be read. `damage` is one sentence on what is wrong with it, or None.

    `sealed`: it has an end record, so that a damage or a missing end would be known.
    """

    header: Header
    events: list[KnownEvent]
    unknown: list[Unknown] = []
    damage: str | None = None
    sealed: bool = False


class Writer:
    """Writes one recording: `with Writer.create(path) as writer: writer.write(header, events)`.

    The file is of mode 0600 and appears under its name when all went well; otherwise what was there before stays. A
    name that ends in `.zst` makes it compressed.
    """

    def __init__(self, replacement: Replacement) -> None:
        self._replacement = replacement

    @classmethod
    def create(cls, path: Path) -> Self:
        """A writer of `path`, which is opened when the `with` begins."""
        return cls(Replacement(path))

    def __enter__(self) -> Self:
        self._replacement.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._replacement.__exit__(kind, error, trace)

    def write(self, header: Header, events: Iterable[KnownEvent | Unknown]) -> None:
        """Write the whole recording. Nothing is masked here: that is the capture layer's work.

        Raises:
            RecordingError: the disk is full, or refuses for another reason.
        """
        file = self._replacement.file
        try:
            if self._replacement.path.suffix == ".zst":
                compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
                with compressor.stream_writer(file, closefd=False) as packed:
                    _write_lines(packed, header, events)
            else:
                _write_lines(file, header, events)
            file.flush()
        except OSError as error:
            raise self._replacement.failure(error) from error


def write_recording(path: Path, header: Header, events: Iterable[KnownEvent | Unknown]) -> None:
    """Write a recording to `path`, whole or not at all.

    Raises:
        RecordingError: it cannot be written; the message says why.
    """
    with Writer.create(path) as writer:
        writer.write(header, events)


def read_recording(source: Path | BinaryIO, *, allow_newer: bool = False) -> Recording:
    """Read a recording, compressed or not, as far as it is readable; `damage` says what of it is not.

    `allow_newer` reads also one of a newer schema than this version's, with `damage` saying so.

    Raises:
        RecordingError: it is no recording, it cannot be opened or read, or its schema is newer.
    """
    if isinstance(source, Path):
        with opened(source) as file:
            return read_recording(file, allow_newer=allow_newer)
    return _Reader(source, shown(str(getattr(source, "name", "The recording"))), allow_newer).read()


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file at `path`, for one reading from its begin to its end: it may be a pipe.

    Raises:
        RecordingError: it cannot be opened or, in the body, read; the message says why.
    """
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        remedies = {
            errno.ENOENT: "Check the path.",
            errno.EISDIR: "Name the recording itself.",
            errno.EACCES: "Read it as the user who recorded it: recordings are private to their owner.",
        }
        number = error.errno or errno.EIO
        raise RecordingError(f"Cannot read {shown(path)}: {errno_text(number)}.", remedies.get(number, "")) from error


def _write_lines(file: _Sink, header: Header, events: Iterable[KnownEvent | Unknown]) -> None:
    encoder = msgspec.json.Encoder()
    sink = _Checked(file)
    count = 0
    # Header leaves out defaults, but magic and schema must always be there.
    first = {"magic": MAGIC, "schema": SCHEMA, "sealed": True} | msgspec.to_builtins(header)
    sink.write(encoder.encode(_encodable(first)) + b"\n")
    remaining = iter(events)
    while batch := list(itertools.islice(remaining, _BATCH)):
        lines = [msgspec.Raw(event.raw) if isinstance(event, Unknown) else event for event in batch]
        count += len(lines)
        try:
            encoded = encoder.encode_lines(lines)
        except UnicodeEncodeError:
            encoded = encoder.encode_lines([_encodable(msgspec.to_builtins(event)) for event in lines])
        sink.write(encoded)
    file.write(encoder.encode(_End(events=count, crc32=sink.checksum)) + b"\n")


def _encodable(value: Any) -> Any:
    """`value` with the lone surrogates that Python makes of undecodable bytes as `printable` writes such bytes."""
    if isinstance(value, str):
        return (
            value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )
    if isinstance(value, dict):
        return {_encodable(key): _encodable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(member) for member in value]
    return value


class _Start(msgspec.Struct):
    """What tells a recording from any other file."""

    magic: str
    schema: int
    sealed: bool = False


class _End(msgspec.Struct, tag_field="kind", tag="end"):
    """The end record; see the head of this file."""

    events: int
    crc32: int


class _Kind(msgspec.Struct):
    kind: str


class _Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Checked:
    """Passes on what is written, and sums it up."""

    def __init__(self, file: _Sink) -> None:
        self._file = file
        self.checksum = 0

    def write(self, data: bytes) -> None:
        self.checksum = zlib.crc32(data, self.checksum)
        self._file.write(data)


_START = msgspec.json.Decoder(_Start)
_HEADER = msgspec.json.Decoder(Header)
_KIND = msgspec.json.Decoder(_Kind)
_END = msgspec.json.Decoder(_End)
_EVENT = msgspec.json.Decoder(KnownEvent)
_KNOWN_KINDS = frozenset(str(event.__struct_config__.tag) for event in get_args(KnownEvent))


class _Reader:
    """One reading of one file."""

    def __init__(self, file: BinaryIO, name: str, allow_newer: bool) -> None:
        self._lines = Lines(file)
        self._name = name
        self._allow_newer = allow_newer
        self._skipped = 0
        self._first_skipped = 0
        self._problems: list[str] = []
        self._promised = False
        self._end_line = 0

    def read(self) -> Recording:
        lines = iter(self._lines)
        header = self._header(next(lines, b""))
        recording = Recording(header=header, events=[])
        self._events(lines, recording)
        if self._skipped == 1:
            self._problems.append(f"line {self._first_skipped} cannot be read and was skipped")
        elif self._skipped:
            self._problems.append(
                f"{self._skipped} lines cannot be read and were skipped, the first is line {self._first_skipped}"
            )
        if self._skipped >= _MOST_SKIPPED:
            self._problems.append(f"the rest after line {self._lines.number} was left out")
        if self._lines.stopped:
            where = "in" if self._lines.unfinished else "after"
            self._problems.append(f"{self._lines.stopped} {where} line {self._lines.number}")
        self._check_end()
        recording.sealed = self._end_line > 0
        if self._problems:
            recording.damage = f"{self._name} is not whole: {'; '.join(self._problems)}."
        return recording

    def _check_end(self) -> None:
        if self._end_line and self._lines.number > self._end_line:
            self._problems.append(f"more follows after its end in line {self._end_line}")
        elif self._promised and not self._end_line and not self._problems:
            self._problems.append("its end is missing")

    def _header(self, line: bytes | None) -> Header:
        if line == b"" and self._lines.number == 0 and not self._lines.stopped:
            raise RecordingError(f"{self._name} is empty.", _RECORD_AGAIN)
        start = _decoded(_START, line)
        if start is None or start.magic != MAGIC or start.schema < 1:
            if line is not None and line.startswith(b'{"magic":"gotrace"'):
                raise RecordingError(f"{self._name} is damaged in its first line: nothing can be read.", _RECORD_AGAIN)
            if self._lines.stopped:
                raise RecordingError(f"{self._name} cannot be read at all: {self._lines.stopped}.", _RECORD_AGAIN)
            raise RecordingError(
                f"{self._name} is not a recording of gotrace.", "Name a file that was written with -o FILE."
            )
        if start.schema > SCHEMA:
            newer = f"it was written by a newer gotrace (schema {start.schema}, this one knows {SCHEMA})"
            if not self._allow_newer:
                raise RecordingError(f"Cannot read all of {self._name}: {newer}.", "Read it with a newer gotrace.")
            self._problems.append(newer)
        self._promised = start.sealed
        header = _decoded(_HEADER, line)
        if header is None:
            self._problems.append("its header (line 1) cannot be read")
            return Header(schema=start.schema)
        return header

    def _events(self, lines: Iterator[bytes | None], recording: Recording) -> None:
        events, decode = recording.events, _EVENT.decode
        for line in lines:
            if len(events) + len(recording.unknown) >= _MOST_EVENTS:
                self._problems.append(f"it holds more than {_MOST_EVENTS} events, the rest was left out")
                return
            try:
                events.append(decode(line or b""))
            except _UNREADABLE:
                if not self._other(line, recording):
                    return

    def _other(self, line: bytes | None, recording: Recording) -> bool:
        """Deal with a line that is no known event; False: read no further."""
        found = _decoded(_KIND, line)
        if found is not None and found.kind == "end":
            if not self._end_line:
                self._end(line)
            return True
        if line is not None and found is not None and found.kind not in _KNOWN_KINDS:
            recording.unknown.append(Unknown(kind=found.kind, raw=line))
            return True
        if self._lines.unfinished:
            if not self._lines.stopped:
                self._problems.append(f"it is cut off inside line {self._lines.number}")
            return True
        start = _decoded(_START, line)
        if start is not None and start.magic == MAGIC:
            self._problems.append(f"another recording begins in line {self._lines.number} and was left out")
            return False
        self._skipped += 1
        self._first_skipped = self._first_skipped or self._lines.number
        return self._skipped < _MOST_SKIPPED

    def _end(self, line: bytes | None) -> None:
        """Compare what was read with what the end record says. Its own newline is part of it."""
        self._end_line = self._lines.number
        expected = _End(events=self._end_line - 2, crc32=self._lines.checksum())
        if _decoded(_END, line) != expected or self._lines.unfinished:
            self._problems.append("its checksum does not match: it was changed or damaged after it was written")


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes | None) -> T | None:
    try:
        return None if line is None else decoder.decode(line)
    except _UNREADABLE:
        return None
