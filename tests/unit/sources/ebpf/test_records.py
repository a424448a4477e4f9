"""Raw records become events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.model import Exec, Exit, Fork, Output, SyscallError
from gotrace.sources.ebpf.records import RecordDecoder
from tests.unit.sources.ebpf import raw


def decode(*records: bytes) -> list[object]:
    return list(RecordDecoder(raw.INFO).decode(b"".join(records)))


def exec_records(ts_ns: int, pid: int, argv: bytes, *, total: int | None = None, env_total: int = 18) -> bytes:
    return b"".join(
        [
            raw.text(ts_ns, pid, "PART_PATH", b"/bin/cc\0"),
            raw.text(ts_ns, pid, "PART_ARGV", argv),
            raw.text(ts_ns, pid, "PART_ENV", b"CC=gcc\0PATH=/bin\0x"),
            raw.text(ts_ns, pid, "PART_CWD", b"c\0b\0a\0"),
            raw.exec_end(ts_ns + 1, pid, len(argv) if total is None else total, env_total),
        ]
    )


def test_an_exec_is_put_together_from_its_texts() -> None:
    assert decode(exec_records(10, 7, b"cc\0-c\0\0")) == [
        Exec(
            ts_ns=11,
            pid=7,
            tid=7,
            path="/bin/cc",
            argv=("cc", "-c", ""),
            env={"CC": "gcc", "PATH": "/bin"},
            cwd="/a/b/c",
        )
    ]


def test_texts_of_two_processes_may_be_interleaved() -> None:
    first, second = exec_records(10, 7, b"a\0"), exec_records(10, 8, b"b\0")
    half = len(raw.text(10, 7, "PART_PATH", b"/bin/cc\0"))
    events = decode(first[:half], second[:half], first[half:], second[half:])
    assert [(e.pid, e.argv) for e in events if isinstance(e, Exec)] == [(7, ("a",)), (8, ("b",))]


def test_a_long_argument_vector_is_completed_from_the_live_process() -> None:
    whole = b"cc\0" + b"x" * 40_000 + b"\0"
    records = exec_records(10, 7, whole[:100], total=len(whole))
    (event,) = RecordDecoder(raw.INFO, lambda pid, file: whole if (pid, file) == (7, "cmdline") else None).decode(
        records
    )
    assert isinstance(event, Exec)
    assert event.argv == ("cc", "x" * 40_000)
    assert event.argv_bytes is None


@pytest.mark.parametrize("answer", [None, b"other\0" + b"y" * 500])
def test_a_vector_that_cannot_be_completed_tells_its_true_length(answer: bytes | None) -> None:
    (event,) = RecordDecoder(raw.INFO, lambda _pid, _file: answer).decode(exec_records(10, 7, b"cc\0a", total=506))
    assert isinstance(event, Exec)
    assert (event.argv, event.argv_bytes) == (("cc", "a"), 506)


def test_an_environment_that_was_cut_is_completed_or_unknown() -> None:
    whole = b"CC=gcc\0PATH=/bin\0x" + b"y" * 40_000 + b"=1\0CGO_ENABLED=0\0"
    records = exec_records(10, 7, b"cc\0", env_total=len(whole))
    (completed,) = RecordDecoder(raw.INFO, lambda _pid, file: whole if file == "environ" else None).decode(records)
    (unknown,) = RecordDecoder(raw.INFO).decode(records)
    assert isinstance(completed, Exec)
    assert isinstance(unknown, Exec)
    assert (completed.env or {})["CGO_ENABLED"] == "0"
    assert unknown.env is None


def test_an_exec_whose_texts_were_lost_is_still_an_exec() -> None:
    assert decode(raw.exec_end(5, 7, 30, 20)) == [Exec(ts_ns=5, pid=7, tid=7, path="", argv=None, argv_bytes=30)]


def test_an_empty_environment_is_known_to_be_empty() -> None:
    assert decode(raw.exec_end(5, 7, 30)) == [Exec(ts_ns=5, pid=7, tid=7, path="", argv=None, env={}, argv_bytes=30)]


def test_a_refused_exec_carries_its_arguments() -> None:
    records = raw.text(1, 7, "PART_FAILED_ARGV", b"as\0--64\0") + raw.failure(2, 7, 59, 2, b"/usr/bin/as")
    assert decode(records) == [Exec(ts_ns=2, pid=7, tid=7, path="/usr/bin/as", argv=("as", "--64"), error=2)]


def test_failing_calls_have_names_and_paths_of_their_table() -> None:
    events = decode(
        raw.failure(1, 7, 21, 2, b"/a\xff\\"),
        raw.failure(2, 7, 33, 2, b"/b", abi="ABI_I386"),
        raw.failure(3, 7, 82, 2, b"/from", b"/to"),
        raw.failure(4, 7, 511, 38),
    )
    assert [(e.abi, e.syscall, e.errno, e.paths) for e in events if isinstance(e, SyscallError)] == [
        ("x86_64", "access", 2, ("/a\\xff\\\\",)),
        ("i386", "access", 2, ("/b",)),
        ("x86_64", "rename", 2, ("/from", "/to")),
        ("x86_64", "syscall_511", 38, ()),
    ]


def test_a_refused_address_is_no_path() -> None:
    inet = b"\x02\0\0\x50\x7f\0\0\x01" + bytes(8)
    records = raw.failure(1, 7, 49, 98, inet) + raw.failure(2, 7, 361, 98, inet, abi="ABI_I386")
    records += raw.failure(3, 7, 42, 2, b"\x01\0/run/x.sock") + raw.failure(4, 7, 44, 1)
    found = [event for event in RecordDecoder(raw.INFO).decode(records) if isinstance(event, SyscallError)]
    assert [(event.syscall, event.paths, event.address) for event in found] == [
        ("bind", (), "127.0.0.1:80"),
        ("bind", (), "127.0.0.1:80"),
        ("connect", (), "unix:/run/x.sock"),
        ("sendto", (), ""),
    ]


def test_an_error_that_came_later() -> None:
    later, at_once = (raw.failure(1, 7, 42, 111, flags=flags) for flags in (raw.C["FLAG_IN_PROGRESS"], 0))
    found = [event for event in RecordDecoder(raw.INFO).decode(later + at_once) if isinstance(event, SyscallError)]
    assert [event.in_progress for event in found] == [True, False]
    constants = {name: number for name, number in raw.C.items() if name != "FLAG_IN_PROGRESS"}
    assert RecordDecoder(raw.INFO | {"constants": constants}).decode(at_once) == [found[1]]


def test_exit_codes_signals_and_cores_as_wait_reports_them() -> None:
    events = decode(raw.exit_(1, 7, 3 << 8), raw.exit_(2, 8, 9), raw.exit_(3, 9, 0x80 | 11))
    assert events == [
        Exit(ts_ns=1, pid=7, tid=7, status=3),
        Exit(ts_ns=2, pid=8, tid=8, signal=9),
        Exit(ts_ns=3, pid=9, tid=9, signal=11, core=True),
    ]


def test_chunks_of_one_write_are_one_text_even_within_a_character() -> None:
    euro = "€".encode()
    assert decode(raw.text(1, 7, "PART_STDERR", euro[:1]), raw.text(1, 7, "PART_STDERR", euro[1:], truncated=True)) == [
        Output(ts_ns=1, pid=7, tid=7, text="€", truncated=True)
    ]


def test_chunks_of_one_write_are_joined_over_others_records() -> None:
    first, rest = raw.text(1, 7, "PART_STDERR", b"\xe2\x82"), raw.text(1, 7, "PART_STDERR", b"\xac")
    assert decode(first, raw.fork(1, 9, 10), rest) == [
        Output(ts_ns=1, pid=7, tid=7, text="€"),
        Fork(ts_ns=1, pid=9, tid=9, child_pid=10),
    ]


def test_a_fork_names_its_child() -> None:
    assert decode(raw.fork(1, 7, 8)) == [Fork(ts_ns=1, pid=7, tid=7, child_pid=8)]


def test_discarded_records_are_passed_over() -> None:
    assert decode(raw.framed(b"\0" * 40, discarded=True), raw.fork(1, 7, 8)) == [
        Fork(ts_ns=1, pid=7, tid=7, child_pid=8)
    ]


@given(st.lists(st.binary(max_size=60).filter(lambda path: b"\0" not in path), max_size=20))
def test_any_paths_survive(paths: list[bytes]) -> None:
    events = decode(*(raw.failure(at, 7, 21, 2, path) for at, path in enumerate(paths)))
    assert len(events) == len(paths)


def placed(*names: bytes, mounts: int = 4026531832) -> bytes:
    """An exec below the root folder of these names, the innermost first."""
    root = raw.text(1, 7, "PART_ROOT", b"".join(name + b"\0" for name in names)) if names else b""
    return root + raw.exec_end(1, 7, 0, 0, mounts)


def roots(*records: bytes) -> list[tuple[str, int]]:
    return [(event.root, event.mount_namespace) for event in decode(*records) if isinstance(event, Exec)]


def test_root_folders_are_named_from_our_own_on() -> None:
    assert roots(placed(), placed(b"a", b"srv"), placed(mounts=5)) == [("", 0), ("/srv/a", 0), ("", 5)]
    # gotrace itself below a chroot(2): the kernel names all from the true root on.
    assert roots(placed(b"jail"), placed(b"a", b"jail"), placed(b"jail"), placed(b"jailer"), placed()) == [
        ("", 0),
        ("/a", 0),
        ("", 0),
        ("/jailer", 0),
        ("", 0),
    ]


def test_records_of_an_older_version_know_no_mount_namespace() -> None:
    older = {**raw.INFO, "layouts": {**raw.INFO["layouts"]}}
    older["layouts"]["exec_record"] = {"members": raw.INFO["layouts"]["exec_record"]["members"][:-2]}
    del older["mount_namespace"]

    (event,) = RecordDecoder(older).decode(raw.exec_end(1, 7, 0, 0))

    assert isinstance(event, Exec)
    assert (event.root, event.mount_namespace) == ("", 0)
