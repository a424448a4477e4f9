"""Raw records on their way: on disk while the command runs, so that they survive us, and few bytes of Python each.

A spool is one JSON line (`Opening`), then frames: a tag, a length, a payload. `R` holds raw bulk records exactly as the
source gave them, `J` JSON lines of masked events. Texts that need masking are therefore never on disk unmasked.
While the writer lives it holds a lock (flock(2)) on the file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from gotrace.capture.folders import private_file, spool_folders
from gotrace.capture.masks import mask_event
from gotrace.errors import RecordingError
from gotrace.events.lines import TOTAL_LIMIT
from gotrace.events.model import Event, KnownEvent, Lost
from gotrace.events.recording import SCHEMA, Header, opened
from gotrace.sources.base import Decoder
from gotrace.sources.choose import decoder

MAGIC = "gotrace-spool"
SUFFIX = ".spool"
_FRAME = struct.Struct("<cI")
_RAW, _JSON = b"R", b"J"
_KEPT_IN_MEMORY = 16 << 20
"""Bytes of live events that are kept in memory where the disk takes no more: without them no trace can be built."""
_LIMIT_IN_MEMORY = 256 << 20
"""Bytes of a spool that lies in memory; a whole `go build -a` takes 13 MB."""

_encoder = msgspec.json.Encoder()
_event_decoder = msgspec.json.Decoder(KnownEvent)

Decode = Callable[[bytes], Sequence[Event]]


class Opening(msgspec.Struct, kw_only=True):
    """Line 1 of a spool."""

    magic: str = MAGIC
    schema: int = SCHEMA
    header: Header
    decoder_info: dict[str, Any]


class Spool:
    """The spool of one capture. `path` is None where no folder would take it and it lies in memory."""

    def __init__(self, header: Header, decoder_info: Mapping[str, Any], decode: Decode) -> None:
        """`decode` is for counting records that do not fit; the capture's own."""
        self._decode = decode
        self._lost: dict[str, _Loss] = {}
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._size = 0
        self._file, self.path = _create()
        opening = msgspec.json.encode(Opening(header=header, decoder_info=dict(decoder_info))) + b"\n"
        problem = self._append(opening)
        if problem:
            self.discard()
            self._file, self.path = _in_memory(), None
            self._append(opening)
        self._start = self._size

    def raw(self, data: bytes) -> None:
        """Keep bulk records as they are. Where they do not fit they are counted as lost, and nobody is stopped."""
        if problem := self._append(_FRAME.pack(_RAW, len(data)), data):
            for event in self._decode(data):
                self._count_lost(event, problem)

    def events(self, events: Sequence[Event]) -> None:
        """Keep live events, which must be masked."""
        if not events:
            return
        lines = _encoder.encode_lines(events)
        if problem := self._append(_FRAME.pack(_JSON, len(lines)), lines):
            if self._kept_bytes + len(lines) <= _KEPT_IN_MEMORY:
                self._kept.append(lines)
                self._kept_bytes += len(lines)
                return
            for event in events:
                self._count_lost(event, problem)

    def lost(self) -> list[Lost]:
        """What did not fit, by kind of event and reason."""
        return [loss.event() for loss in self._lost.values()]

    def read_back(self, decode: Decode) -> list[KnownEvent]:
        """All events, in the order of their arrival; bulk ones through `decode`. They are masked."""
        found: list[KnownEvent] = []
        if self._size > self._start:
            with mmap.mmap(self._file.fileno(), self._size, prot=mmap.PROT_READ) as data:
                for tag, start, end in _frames(data, self._start):
                    try:
                        _decode_frame(tag, data[start:end], decode, found)
                    except Exception as error:  # one frame is lost; the command's end and the rest are not
                        reason = f"spool: {end - start} bytes cannot be decoded: {type(error).__name__}: {error}"
                        self._lost[reason] = _Loss("unknown", reason, exact=False).add(time.monotonic_ns())
        for lines in self._kept:
            found += _event_decoder.decode_lines(lines)
        return found

    def close(self) -> None:
        """Leave the file for `load_spool`."""
        self._file.close()

    def discard(self) -> None:
        """The recording is safe elsewhere: remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _append(self, *parts: bytes) -> str | None:
        """Write one frame, or none of it; then the reason."""
        descriptor = self._file.fileno()
        size = sum(map(len, parts))
        if self.path is None and self._size + size > _LIMIT_IN_MEMORY:
            return "spool: no folder would take it, and memory is limited"
        try:
            written = os.writev(descriptor, parts)
            rest = b"".join(parts)[written:] if written < size else b""
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            # A cut frame would hide all that follows it.
            os.ftruncate(descriptor, self._size)
            os.lseek(descriptor, self._size, os.SEEK_SET)
            return f"spool: {os.strerror(error.errno or 0).lower()}"
        self._size += size
        return None

    def _count_lost(self, event: Event, reason: str) -> None:
        kind = str(type(event).__struct_config__.tag)
        self._lost.setdefault(f"{kind} {reason}", _Loss(kind, reason)).add(event.ts_ns)


class _Loss:
    """One growing count of lost events."""

    def __init__(self, kind: str, reason: str, *, exact: bool = True) -> None:
        self._kind, self._reason, self._exact = kind, reason, exact
        self._count, self._first, self._last = 0, 0, 0

    def add(self, ts_ns: int) -> _Loss:
        self._count += 1
        self._first = min(self._first or ts_ns, ts_ns)
        self._last = max(self._last, ts_ns)
        return self

    def event(self) -> Lost:
        return Lost(
            ts_ns=self._last,
            pid=0,
            what=self._kind,
            count=self._count,
            reason=self._reason,
            since_ns=self._first,
            exact=self._exact,
        )


class Loaded(NamedTuple):
    """What a spool still holds; `damage` says what of it could not be read, None where it is whole."""

    header: Header
    events: list[KnownEvent]
    damage: str | None


def load_spool(source: Path | BufferedReader, make_decoder: Callable[[Mapping[str, Any]], Decoder] = decoder) -> Loaded:
    """Read a spool that a crash left.

    A last frame that was cut in the middle of its writing is normal, and told in `damage`.

    Raises:
        RecordingError: it cannot be read, is no spool, or is of a newer version.
    """
    if isinstance(source, Path):
        with opened(source) as stream:
            return load_spool(stream, make_decoder)
    path = Path(str(source.name))
    data = source.read(TOTAL_LIMIT)
    line, _, _ = data.partition(b"\n")
    opening = _opening(path, line)
    decode = make_decoder(opening.decoder_info).decode
    events: list[KnownEvent] = []
    problems: Counter[str] = Counter()
    whole = len(line) + 1
    for tag, start, end in _frames(data, whole):
        whole = end
        try:
            _decode_frame(tag, data[start:end], decode, events)
        except (msgspec.MsgspecError, ValueError, struct.error, LookupError) as error:
            problems[f"a frame cannot be decoded ({error})"] += 1
    if whole < len(data):
        problems[f"its last {len(data) - whole} bytes are no whole frame"] += 1
    return Loaded(opening.header, events, "; ".join(problems) or None)


def _opening(path: Path, line: bytes) -> Opening:
    try:
        start = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        start = {}
    if start.get("magic") != MAGIC:
        raise RecordingError(f"{path}: no spool of gotrace", "a spool's name ends in .spool; gotrace doctor lists them")
    if not isinstance(start.get("schema"), int) or start["schema"] > SCHEMA:
        raise RecordingError(f"{path}: schema {start.get('schema')!r}, newer than this version", "use a newer gotrace")
    try:
        return msgspec.convert(start, Opening)
    except msgspec.ValidationError as error:
        raise RecordingError(f"{path}: damaged first line: {error}") from None


def is_spool(stream: BufferedReader) -> bool:
    """Whether a file begins as a spool does. Nothing of it is used up: a pipe gives its bytes only once."""
    start = b'{"magic":"' + MAGIC.encode()
    return stream.peek(len(start)).startswith(start)


def leftover_spools() -> list[Path]:
    """Spools of this user whose writer is gone, the oldest first. Nobody deletes them but the user."""
    found = [path for folder in spool_folders() for path in folder.glob(f"*{SUFFIX}") if _abandoned(path)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def _abandoned(path: Path) -> bool:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            if os.fstat(stream.fileno()).st_uid != os.geteuid():
                return False
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _create() -> tuple[IO[bytes], Path | None]:
    for folder in spool_folders():
        created = private_file(folder, SUFFIX)
        if created:
            fcntl.flock(created[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            return created
    return _in_memory(), None


def _in_memory() -> IO[bytes]:
    return os.fdopen(os.memfd_create("gotrace-spool"), "r+b", buffering=0)


def _frames(data: bytes | mmap.mmap, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Tag, start and end of each whole frame."""
    while position + _FRAME.size <= len(data):
        tag, length = _FRAME.unpack_from(data, position)
        start = position + _FRAME.size
        position = start + length
        if position > len(data) or tag not in (_RAW, _JSON):
            return
        yield tag, start, position


def _decode_frame(tag: bytes, payload: bytes, decode: Decode, into: list[KnownEvent]) -> None:
    if tag == _JSON:
        into += _event_decoder.decode_lines(payload)
    else:
        into += (cast(KnownEvent, mask_event(event)) for event in decode(payload))
