"""The spool: what was put in comes out again, nobody else can read it, and a crash or a full disk costs no more."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gotrace.capture.spool import Spool, is_spool, leftover_spools, load_spool
from gotrace.errors import RecordingError
from gotrace.events.model import Event, Exec, Exit, Fork, Output, SyscallError
from gotrace.events.recording import SCHEMA, Header

HEADER = Header(version="0.1.0", argv=("go", "build"), cwd="/src", started_ns=5)
LIVE: list[Event] = [
    Fork(ts_ns=1, pid=10, child_pid=11),
    Exec(ts_ns=2, pid=11, path="/bin/go", argv=("go", "build"), env={"GOOS": "linux"}, cwd="/src"),
    Output(ts_ns=3, pid=11, text="# main\n"),
    Exit(ts_ns=4, pid=11, status=1),
]


class FakeDecoder:
    """Its raw records are single bytes: each is a failed open of a file of that number."""

    def decode(self, data: bytes) -> list[Event]:
        if 255 in data:
            raise ValueError("not a record")
        return [SyscallError(ts_ns=100 + byte, pid=11, syscall="openat", errno=2, paths=(str(byte),)) for byte in data]


def fake_decoder(info: Mapping[str, Any]) -> FakeDecoder:
    assert info == {"source": "fake"}
    return FakeDecoder()


DECODE = FakeDecoder().decode


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where spools lie in these tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "cache/gotrace/spool"


def spool() -> Spool:
    return Spool(HEADER, {"source": "fake"}, DECODE)


def path_of(made: Spool) -> Path:
    assert made.path is not None
    return made.path


def test_what_was_put_in_comes_out_in_the_order_of_its_arrival() -> None:
    made = spool()
    made.events(LIVE[:2])
    made.raw(b"\1\2")
    made.events(LIVE[2:])
    made.raw(b"\3")
    assert made.read_back(DECODE) == [*LIVE[:2], *DECODE(b"\1\2"), *LIVE[2:], *DECODE(b"\3")]
    assert made.lost() == []
    made.discard()


def test_an_empty_spool_holds_nothing() -> None:
    made = spool()
    made.events([])
    assert made.read_back(DECODE) == []


def test_file_and_folder_are_for_the_user_alone(cache: Path) -> None:
    path = path_of(spool())
    assert path.parent == cache
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_discarding_removes_the_file_and_closing_keeps_it() -> None:
    kept, gone = spool(), spool()
    kept.close()
    gone.discard()
    assert path_of(kept).exists()
    assert not path_of(gone).exists()


def test_a_folder_that_others_may_enter_is_not_used(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o750)
    assert path_of(spool()).parent == tmp_path / f"tmp/gotrace-{os.geteuid()}/spool"


def test_a_folder_that_is_a_link_is_not_used(cache: Path, tmp_path: Path) -> None:
    cache.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    spool()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_where_no_folder_can_be_used_it_lies_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setenv("TMPDIR", "/proc/nowhere")
    made = spool()
    made.events(LIVE)
    made.raw(b"\7")
    assert made.path is None
    assert made.read_back(DECODE) == [*LIVE, *DECODE(b"\7")]


def test_after_a_crash_everything_can_be_read() -> None:
    made = spool()
    made.events(LIVE)
    made.raw(b"\1\2\3")
    made.close()
    with path_of(made).open("rb") as stream:
        assert is_spool(stream)
        assert load_spool(stream, fake_decoder) == (HEADER, [*LIVE, *DECODE(b"\1\2\3")], None)


def test_a_spool_may_come_through_a_pipe() -> None:
    made = spool()
    made.events(LIVE)
    reading, writing = os.pipe()
    os.write(writing, path_of(made).read_bytes())
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert is_spool(stream)
        assert load_spool(stream, fake_decoder) == (HEADER, LIVE, None)


def test_a_recording_is_no_spool_and_nothing_of_it_is_used_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'{"magic":"gotrace","schema":1}\n')
    with (tmp_path / "file").open("rb") as stream:
        assert not is_spool(stream)
        assert stream.read() == b'{"magic":"gotrace","schema":1}\n'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.integers(min_value=0, max_value=600))
def test_a_spool_that_was_cut_anywhere_gives_its_whole_frames(cut: int, tmp_path: Path) -> None:
    made = spool()
    made.events(LIVE)
    made.raw(b"\1\2\3")
    made.close()
    data = path_of(made).read_bytes()
    path_of(made).unlink()
    first = data.index(b"\n") + 1
    file = tmp_path / "cut.spool"
    file.write_bytes(data[: min(first + cut, len(data))])
    loaded = load_spool(file, fake_decoder)
    everything = [*LIVE, *DECODE(b"\1\2\3")]
    assert loaded.events == everything[: len(loaded.events)]
    assert len(loaded.events) in (0, len(LIVE), len(everything))
    lengths = {first: 0, len(data) - 8: len(LIVE), len(data): len(everything)}
    assert (loaded.damage is None) == (file.stat().st_size in lengths)
    assert loaded.damage is None or "no whole frame" in loaded.damage


def test_a_frame_that_cannot_be_decoded_does_not_hide_the_others() -> None:
    made = spool()
    made.raw(b"\1\xff")
    made.raw(b"\2")
    made.close()
    loaded = load_spool(path_of(made), fake_decoder)
    assert loaded.events == DECODE(b"\2")
    assert loaded.damage == "a frame cannot be decoded (not a record)"


def test_reading_back_tells_a_frame_that_cannot_be_decoded_as_a_loss() -> None:
    made = spool()
    made.raw(b"\1\xff")
    made.raw(b"\2")
    assert made.read_back(DECODE) == DECODE(b"\2")
    (lost,) = made.lost()
    assert (lost.what, lost.exact) == ("unknown", False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no spool"),
        (b"\x7fELF\0\0", "no spool"),
        (b'{"magic":"gotrace","schema":1}\n', "no spool"),
        (b"[1, 2]\n", "no spool"),
        (b'{"magic":"gotrace-spool","schema":%d}\n' % (SCHEMA + 1), "newer"),
        (b'{"magic":"gotrace-spool","schema":1}\n', "damaged first line"),
    ],
)
def test_what_is_no_spool_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        load_spool(tmp_path / "file", fake_decoder)


def test_a_missing_spool(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        load_spool(tmp_path / "none", fake_decoder)


@contextmanager
def disk_full_at(size: int) -> Iterator[None]:
    """Files cannot grow beyond that many bytes; the kernel then answers EFBIG, as it answers ENOSPC on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_is_counted_and_the_rest_is_kept() -> None:
    made = spool()
    made.raw(b"\1\2")
    with disk_full_at(path_of(made).stat().st_size + 50):
        made.raw(bytes(range(1, 24)) * 10)
        made.raw(bytes([9]))
    made.raw(b"\4")
    assert made.read_back(DECODE) == DECODE(b"\1\2\11\4")
    (lost,) = made.lost()
    assert (lost.what, lost.count, lost.exact) == ("syscall_error", 230, True)
    assert lost.reason == "spool: file too large"
    assert (lost.since_ns, lost.ts_ns) == (101, 123)


def test_on_a_full_disk_live_events_are_kept_in_memory() -> None:
    made = spool()
    with disk_full_at(path_of(made).stat().st_size):
        made.events(LIVE)
        made.raw(b"\1")
    assert made.read_back(DECODE) == LIVE
    assert [lost.what for lost in made.lost()] == ["syscall_error"]
    assert load_spool(path_of(made), fake_decoder).damage is None


def test_a_disk_that_takes_not_even_the_first_line_is_no_reason_not_to_run() -> None:
    with disk_full_at(10):
        made = spool()
    assert made.path is None
    made.events(LIVE)
    assert made.read_back(DECODE) == LIVE


def test_execs_and_outputs_are_masked_when_raw_ones_are_read_back() -> None:
    secret = Exec(ts_ns=1, pid=1, path="/bin/cc", argv=("cc", "https://user:secret@host/x"), error=2)
    made = spool()
    made.raw(b"\1")
    (read,) = made.read_back(lambda _: [secret])
    assert "secret" not in msgspec.json.encode(read).decode()


def test_spools_whose_writer_is_gone_are_listed_and_those_of_living_ones_are_not(cache: Path) -> None:
    living = spool()
    program = """
import os
from gotrace.capture.spool import Spool
from gotrace.events.recording import Header
print(Spool(Header(), {"source": "fake"}, lambda data: []).path, flush=True)
os.kill(os.getpid(), 9)
"""
    writer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    crashed = Path(writer.stdout.strip())
    (cache / "notes.txt").write_text("mine")
    assert leftover_spools() == [crashed]
    living.close()
    assert set(leftover_spools()) == {crashed, path_of(living)}
