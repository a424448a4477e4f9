"""The end record of a recording: no change after the writing goes unseen."""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.errors import RecordingError
from gotrace.events import lines
from gotrace.events.model import Unknown
from gotrace.events.recording import Header, read_recording, write_recording
from tests.unit.events.recordings import EVENTS, HEADER, LINES, file_of, packed

CHANGED = "The recording is not whole: its checksum does not match: it was changed or damaged after it was written."


@functools.cache
def written() -> bytes:
    """A plain recording of ten lines and the end record."""
    with tempfile.TemporaryDirectory() as folder:
        write_recording(Path(folder) / "x.gotrace", HEADER, EVENTS)
        return (Path(folder) / "x.gotrace").read_bytes()


def damage(content: bytes) -> str | None:
    """What is wrong with such a recording."""
    return read_recording(io.BytesIO(content)).damage


def test_the_last_line_counts_and_sums_up_what_is_before_it() -> None:
    *before, last = written().splitlines(keepends=True)
    content = b"".join(before)
    assert msgspec.json.decode(last) == {"kind": "end", "events": len(EVENTS), "crc32": zlib.crc32(content)}


def test_the_end_record_is_no_event() -> None:
    found = read_recording(io.BytesIO(written()))
    assert (found.events, found.unknown, found.damage, found.sealed) == (EVENTS, [], None, True)
    assert found.header == HEADER


def test_it_sums_up_what_was_packed(tmp_path: Path) -> None:
    write_recording(tmp_path / "x.gotrace.zst", HEADER, EVENTS)
    found = read_recording(tmp_path / "x.gotrace.zst")
    assert (found.damage, found.sealed) == (None, True)
    assert damage(packed(written().replace(b"/usr/bin/as", b"/usr/bin/us"))) == CHANGED


def test_a_recording_of_no_events_is_sealed(tmp_path: Path) -> None:
    write_recording(tmp_path / "x", Header(), [])
    found = read_recording(tmp_path / "x")
    assert (found.events, found.damage, found.sealed) == ([], None, True)


def test_lines_of_unknown_kinds_are_counted(tmp_path: Path) -> None:
    write_recording(tmp_path / "x", HEADER, [*EVENTS, Unknown(kind="new", raw=b'{"kind":"new"}')])
    assert read_recording(tmp_path / "x").damage is None


def test_a_recording_without_an_end_record_is_read_as_ever() -> None:
    found = read_recording(file_of(*LINES))
    assert (found.damage, found.sealed) == (None, False)


@pytest.mark.parametrize("chunk", [7, 100, 1000])
def test_the_sum_does_not_depend_on_how_the_file_is_read(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(lines, "_CHUNK", chunk)
    assert damage(written()) is None
    assert damage(written().replace(b"/usr/bin/as", b"/usr/bin/us")) == CHANGED


@given(st.integers(min_value=1, max_value=len(EVENTS)))
def test_a_line_that_was_removed_is_told(number: int) -> None:
    kept = written().splitlines(keepends=True)
    del kept[number]
    assert damage(b"".join(kept)) == CHANGED


def test_a_missing_end_record_is_told() -> None:
    kept = written().splitlines(keepends=True)[:-1]
    assert damage(b"".join(kept)) == "The recording is not whole: its end is missing."


def test_a_wrong_count_is_told() -> None:
    assert damage(written().replace(b'"events":%d' % len(EVENTS), b'"events":8')) == CHANGED


@pytest.mark.parametrize("more", [LINES[0], b'{"kind":"new"}', b'{"kind":"end","events":9,"crc32":1}'])
def test_what_follows_after_the_end_is_told(more: bytes) -> None:
    assert damage(written() + more + b"\n") == (
        f"The recording is not whole: more follows after its end in line {len(EVENTS) + 2}."
    )


@given(st.data(), st.integers(min_value=1, max_value=255))
def test_any_flipped_byte_is_an_error_or_damage(data: st.DataObject, flip: int) -> None:
    content = bytearray(written())
    content[data.draw(st.integers(0, len(content) - 1))] ^= flip
    with contextlib.suppress(RecordingError):
        assert damage(bytes(content)) is not None


def test_any_flipped_bit_of_the_end_record_is_damage() -> None:
    start = written().rindex(b'{"kind":"end"')
    for place in range(start, len(written())):
        for bit in range(8):
            content = bytearray(written())
            content[place] ^= 1 << bit
            assert damage(bytes(content)) is not None, bytes(content[start:])
