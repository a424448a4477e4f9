"""Recordings: what is written is read again, and of a damaged one what is readable."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.errors import RecordingError
from gotrace.events import lines, recording
from gotrace.events.model import Exec, Exit, Fact, Unknown
from gotrace.events.recording import Header, read_recording, write_recording
from tests.unit.events.recordings import EVENTS, HEADER, HEADER_LINE, LINES, file_of, many, packed


@pytest.mark.parametrize("name", ["x.gotrace", "x.gotrace.zst"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_recording(path, HEADER, EVENTS)
    found = read_recording(path)
    assert found.header == HEADER
    assert found.events == EVENTS
    assert (found.unknown, found.damage) == ([], None)


def test_only_a_name_with_zst_is_compressed(tmp_path: Path) -> None:
    write_recording(tmp_path / "x.gotrace", HEADER, EVENTS)
    write_recording(tmp_path / "x.gotrace.zst", HEADER, EVENTS)
    assert (tmp_path / "x.gotrace").read_bytes().startswith(b'{"magic":"gotrace","schema":1,')
    assert (tmp_path / "x.gotrace.zst").read_bytes().startswith(lines.ZSTD_MAGIC)


def test_compression_is_told_by_the_content_not_by_the_name(tmp_path: Path) -> None:
    path = tmp_path / "renamed"
    path.write_bytes(packed(file_of(*LINES).getvalue()))
    assert read_recording(path).events == EVENTS


def test_the_header_names_magic_and_schema_though_they_are_defaults(tmp_path: Path) -> None:
    write_recording(tmp_path / "x", Header(), [])
    assert (tmp_path / "x").read_bytes().startswith(b'{"magic":"gotrace","schema":1,')


def test_more_events_than_a_batch(tmp_path: Path) -> None:
    events = [Exit(ts_ns=n, pid=n, status=0) for n in range(10_007)]
    write_recording(tmp_path / "x", HEADER, iter(events))
    assert read_recording(tmp_path / "x").events == events


def test_undecodable_bytes_of_pythons_own_make_no_error(tmp_path: Path) -> None:
    surrogates = b"caf\xe9".decode("utf-8", "surrogateescape")
    header, event = Header(argv=(surrogates,)), Fact(ts_ns=1, pid=2, name="x", data={surrogates: [surrogates]})
    write_recording(tmp_path / "x", header, [event])
    found = read_recording(tmp_path / "x")
    assert found.header.argv == (r"caf\xe9",)
    assert found.events == [Fact(ts_ns=1, pid=2, name="x", data={r"caf\xe9": [r"caf\xe9"]})]


def test_events_of_an_unknown_kind_are_kept_as_they_are(tmp_path: Path) -> None:
    raw = b'{"kind":"telepathy","ts_ns":5,"pid":1,"filename":"libx.so"}'
    found = read_recording(file_of(LINES[0], raw, LINES[1]))
    assert found.events == EVENTS[:2]
    assert found.unknown == [Unknown(kind="telepathy", raw=raw)]
    assert found.damage is None
    write_recording(tmp_path / "x", found.header, [*found.events, *found.unknown])
    assert read_recording(tmp_path / "x").unknown == found.unknown


def test_new_fields_of_a_known_kind_are_passed_over() -> None:
    line = b'{"kind":"exit","ts_ns":1,"pid":2,"status":0,"cpu":{"user":[1,2]}}'
    assert read_recording(file_of(line)).events == [Exit(ts_ns=1, pid=2, status=0)]


def test_a_recording_without_events() -> None:
    found = read_recording(io.BytesIO(HEADER_LINE))
    assert (found.header.argv, found.events, found.damage) == (("go", "build", "."), [], None)


def test_a_last_line_without_newline_is_whole() -> None:
    found = read_recording(file_of(*LINES, end=b""))
    assert (found.events, found.damage) == (EVENTS, None)


def test_a_file_cut_inside_a_line() -> None:
    found = read_recording(io.BytesIO(file_of(*LINES[:3]).getvalue()[:-10]))
    assert found.events == EVENTS[:2]
    assert found.damage == "The recording is not whole: it is cut off inside line 4."


BAD_LINES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\x00\xff\xfe",
    b'{"kind":"exit","ts_ns":1}',
    b'{"kind":"exit","ts_ns":"1","pid":2}',
    b'{"kind":7,"ts_ns":1,"pid":2}',
    b'{"ts_ns":1,"pid":2}',
    b'{"kind":"exec","ts_ns":1,"pid":2,"path":"\xff"}',
    b'{"kind":"exec","ts_ns":1,"pid":2,"path":"a{"kind":"exit","ts_ns":1,"pid":2}',
    b'{"kind":"fact","ts_ns":1,"pid":2,"name":"x","data":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    b'{"kind":"exit","ts_ns":1,"pid":2,"new":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"[" * 100_000,
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda line: str(line[:50]))
def test_a_bad_line_costs_only_itself(bad: bytes) -> None:
    found = read_recording(file_of(LINES[0], bad, LINES[1]))
    assert found.events == EVENTS[:2]
    assert found.damage == "The recording is not whole: line 3 cannot be read and was skipped."


def test_all_damage_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.gotrace"
    path.write_bytes(file_of(LINES[0], b"{", LINES[1], b"}", LINES[2], LINES[3][:9], end=b"").getvalue())
    found = read_recording(path)
    assert found.events == EVENTS[:3]
    assert found.damage == (
        f"{path} is not whole: it is cut off inside line 7; "
        "2 lines cannot be read and were skipped, the first is line 3."
    )


def test_a_second_recording_behind_the_first_is_left_out() -> None:
    found = read_recording(file_of(LINES[0], HEADER_LINE, LINES[1]))
    assert found.events == EVENTS[:1]
    assert found.damage == "The recording is not whole: another recording begins in line 3 and was left out."


def test_lines_appended_as_a_frame_of_their_own_are_read() -> None:
    data = packed(file_of(*LINES[:4]).getvalue()) + packed(b"\n".join(LINES[4:]) + b"\n")
    found = read_recording(io.BytesIO(data))
    assert (found.events, found.damage) == (EVENTS, None)


def test_a_cut_frame_is_read_up_to_the_cut() -> None:
    events = many(50_000)
    data = packed(file_of(*events).getvalue())
    found = read_recording(io.BytesIO(data[: len(data) * 9 // 10]))
    read = [msgspec.json.encode(event) for event in found.events]
    assert 10_000 < len(read) < 50_000
    assert read == events[: len(read)]
    assert found.damage == f"The recording is not whole: its compressed data are cut off in line {len(read) + 2}."


def test_a_damaged_frame_is_read_up_to_the_damage() -> None:
    data = bytearray(packed(file_of(*many(50_000)).getvalue()))
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xff" * 400
    found = read_recording(io.BytesIO(data))
    assert len(found.events) > 10_000
    assert found.damage is not None
    assert "its compressed data are damaged" in found.damage


def test_garbage_behind_a_frame_is_told() -> None:
    found = read_recording(io.BytesIO(packed(file_of(*LINES).getvalue()) + b"garbage"))
    assert found.events == EVENTS
    assert found.damage == f"The recording is not whole: its compressed data are damaged after line {len(EVENTS) + 1}."


def test_a_header_with_wrong_types_costs_only_itself() -> None:
    found = read_recording(io.BytesIO(b'{"magic":"gotrace","schema":1,"argv":7}\n' + LINES[0] + b"\n"))
    assert (found.header, found.events) == (Header(), EVENTS[:1])
    assert found.damage == "The recording is not whole: its header (line 1) cannot be read."


NEWER = b'{"magic":"gotrace","schema":2,"argv":["go"],"new":1}\n' + LINES[0] + b"\n"


def test_a_newer_schema_is_an_error_with_a_remedy() -> None:
    with pytest.raises(RecordingError, match=r"newer gotrace \(schema 2, this one knows 1\)") as raised:
        read_recording(io.BytesIO(NEWER))
    assert raised.value.remedy == "Read it with a newer gotrace."


def test_what_is_readable_of_a_newer_schema_is_there_for_who_asks() -> None:
    found = read_recording(io.BytesIO(NEWER), allow_newer=True)
    assert (found.header.argv, found.events) == (("go",), EVENTS[:1])
    assert found.damage == (
        "The recording is not whole: it was written by a newer gotrace (schema 2, this one knows 1)."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is not a recording of gotrace"),
        (b"hello\n", "is not a recording of gotrace"),
        (b"{}\n", "is not a recording of gotrace"),
        (b'{"magic":"other","schema":1}\n', "is not a recording of gotrace"),
        (b'{"magic":"gotrace"}\n', "is damaged in its first line"),
        (b'{"magic":"gotrace","schema":0}\n', "is damaged in its first line"),
        (b'{"magic":"gotrace","schema":1,"ar', "is damaged in its first line"),
        (b"\x7fELF" + bytes(1000), "is not a recording of gotrace"),
        (packed(b""), "is empty"),
        (packed(b"hello"), "is not a recording of gotrace"),
        (packed(HEADER_LINE)[:7], "cannot be read at all: its compressed data are cut off"),
        (lines.ZSTD_MAGIC + b"\xff" * 100, "cannot be read at all: its compressed data are damaged"),
    ],
)
def test_what_is_no_recording_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message) as raised:
        read_recording(path)
    assert str(path) in raised.value.message
    assert raised.value.remedy


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file or directory") as missing:
        read_recording(tmp_path / "none")
    with pytest.raises(RecordingError, match="Is a directory") as folder:
        read_recording(tmp_path)
    assert missing.value.remedy
    assert folder.value.remedy


def test_an_endless_first_line_is_not_read_to_its_end() -> None:
    with pytest.raises(RecordingError, match="is not a recording"):
        read_recording(Path("/dev/zero"))


def test_a_line_beyond_the_limit_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINE_LIMIT", 2000)
    monkeypatch.setattr(lines, "_CHUNK", 100)
    long = msgspec.json.encode(Exec(ts_ns=1, pid=2, path="/" + "x" * 3000))
    found = read_recording(file_of(LINES[0], long, LINES[1]))
    assert found.events == EVENTS[:2]
    assert found.damage == "The recording is not whole: line 3 cannot be read and was skipped."


def test_a_decompression_bomb_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "TOTAL_LIMIT", 20 << 20)
    bomb = packed(file_of(LINES[0], end=b"\n" + bytes(100 << 20)).getvalue())
    assert len(bomb) < 100_000
    found = read_recording(io.BytesIO(bomb))
    assert found.events == EVENTS[:1]
    assert found.damage is not None
    assert "it holds more than 20 MB in line 3" in found.damage


def test_a_flood_of_unreadable_lines_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST_SKIPPED", 100)
    found = read_recording(file_of(LINES[0], *[b"{}"] * 1000, LINES[1]))
    assert found.events == EVENTS[:1]
    assert found.damage == (
        "The recording is not whole: 100 lines cannot be read and were skipped, the first is line 3; "
        "the rest after line 102 was left out."
    )


def test_a_flood_of_events_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_MOST_EVENTS", 100)
    found = read_recording(file_of(*many(1000)))
    assert len(found.events) == 100
    assert found.damage == "The recording is not whole: it holds more than 100 events, the rest was left out."


@given(st.binary(max_size=300).filter(lambda data: b"kind" not in data))
def test_any_bytes_after_the_header_cost_no_more_than_themselves(data: bytes) -> None:
    content = HEADER_LINE + b"\n" + LINES[0] + b"\n" + data
    for form in (content, packed(content)):
        found = read_recording(io.BytesIO(form))
        assert found.events == EVENTS[:1]
        assert bool(found.damage) == bool(data)


@given(st.binary(max_size=300))
def test_any_bytes_instead_of_a_header_are_one_clear_error(data: bytes) -> None:
    for form in (data, packed(data)):
        with pytest.raises(RecordingError) as raised:
            read_recording(io.BytesIO(form))
        assert raised.value.message.startswith("The recording ")
        assert raised.value.remedy


@given(st.integers(len(HEADER_LINE), 2000), st.booleans())
def test_a_recording_may_be_cut_anywhere(cut: int, compressed: bool) -> None:
    *whole, tail = file_of(*LINES).getvalue()[:cut].split(b"\n")
    content = b"\n".join([*whole, tail])
    found = read_recording(io.BytesIO(packed(content) if compressed else content))
    tail_is_whole = tail in {b"", HEADER_LINE, *LINES}
    assert found.events == EVENTS[: len(whole) - 1 + (tail in LINES)] if whole else found.events == []
    assert (found.damage is None) == tail_is_whole
