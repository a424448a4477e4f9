"""Records of the tracer: each becomes the event it was made of, and nothing else becomes one."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.errors import RecordingError
from gotrace.events.addresses import socket_address
from gotrace.events.model import Event, Exec, Exit, Fork, Frame, Output, SyscallError
from gotrace.events.text import printable
from gotrace.sources.ptrace import records
from gotrace.sources.ptrace.calls import ABIS, by_mark
from gotrace.sources.ptrace.records import RecordDecoder, Who

DECODER = RecordDecoder({"format": records.FORMAT})

times = st.integers(0, (1 << 64) - 1)
ids = st.integers(1, 1 << 22)
people = st.builds(Who, ids, ids, ids)
names = st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"?"))
vectors = st.lists(names, max_size=6)
variables = st.dictionaries(names.map(lambda raw: raw.replace(b"=", b"-") or b"A"), names, max_size=4)


def block(strings: list[bytes]) -> bytes:
    return b"".join(text + b"\0" for text in strings)


def common(ts_ns: int, who: Who) -> dict[str, Any]:
    return {
        "ts_ns": ts_ns,
        "pid": who.pid,
        "tid": who.tid,
        "ns_pid": who.ns_pid if who.ns_pid != who.pid else None,
    }


@st.composite
def forks(draw: st.DrawFn) -> tuple[bytes, Event]:
    ts_ns, who, child = draw(times), draw(people), draw(ids)
    return records.fork(ts_ns, who, child), Fork(**common(ts_ns, who), child_pid=child)


@st.composite
def exits(draw: st.DrawFn) -> tuple[bytes, Event]:
    ts_ns, who = draw(times), draw(people)
    if draw(st.booleans()):
        status = draw(st.integers(0, 255))
        return records.exited(ts_ns, who, status << 8), Exit(**common(ts_ns, who), status=status)
    signal, core = draw(st.integers(1, 64)), draw(st.booleans())
    event = Exit(**common(ts_ns, who), signal=signal, core=core)
    return records.exited(ts_ns, who, signal | (0x80 if core else 0)), event


@st.composite
def outputs(draw: st.DrawFn) -> tuple[bytes, Event]:
    ts_ns, who, text, cut = draw(times), draw(people), draw(st.binary(max_size=200)), draw(st.booleans())
    event = Output(**common(ts_ns, who), text=printable(text), truncated=cut)
    return records.output(ts_ns, who, text, truncated=cut), event


@st.composite
def execs(draw: st.DrawFn) -> tuple[bytes, Event]:
    ts_ns, who, path = draw(times), draw(people), draw(names)
    argv, env = draw(st.none() | vectors), draw(st.none() | variables)
    cwd, error, cut = draw(st.none() | names), draw(st.integers(0, 133)), draw(st.none() | st.integers(0, 1 << 40))
    suppressed = draw(st.booleans())
    root, mounts = draw(st.just(b"") | names), draw(st.just(0) | st.integers(1, (1 << 32) - 1))
    frames = draw(st.lists(times, max_size=32))
    made = records.execution(
        ts_ns,
        who,
        path=path,
        argv=None if argv is None else block(argv),
        env=None if env is None else block([name + b"=" + value for name, value in env.items()]),
        cwd=cwd,
        error=error,
        argv_bytes=cut or 0,
        truncated=cut is not None,
        suppressed=suppressed,
        place=records.Place(root, mounts),
        stack=struct.pack(f"<{len(frames)}Q", *frames),
    )
    event = Exec(
        **common(ts_ns, who),
        path=printable(path),
        argv=None if argv is None else tuple(map(printable, argv)),
        env=None if env is None else {printable(name): printable(value) for name, value in env.items()},
        cwd=None if cwd is None else printable(cwd),
        error=error,
        argv_bytes=cut,
        suppressed=suppressed,
        root=printable(root),
        mount_namespace=mounts,
        stack=tuple(map(Frame, frames)),
    )
    return made, event


@st.composite
def failures(draw: st.DrawFn) -> tuple[bytes, Event]:
    ts_ns, who, paths = draw(times), draw(people), draw(st.lists(names, max_size=2))
    mark, error = draw(st.sampled_from(sorted(by_mark()))), draw(st.integers(1, 133))
    ip, *args = draw(st.lists(times, min_size=7, max_size=7))
    call = by_mark()[mark]
    if call.address:
        paths = []
    texts = [draw(st.binary(max_size=110))] if call.address else [path + b"\0" for path in paths]
    first, second = ([len(text) for text in texts] + [0, 0])[:2]
    stack = draw(st.lists(times, max_size=12))
    size = records.FAILURE_HEAD.size + 8 * len(stack) + first + second
    made = records.FAILURE_HEAD.pack(
        size + (-size & 7), records.FAILURE, 0, ts_ns, who.pid, who.tid, who.ns_pid, error, mark, first, second,
        len(stack), ip, *args,
    ) + struct.pack(f"<{len(stack)}Q", *stack) + b"".join(texts) + b"\0" * (-size & 7)  # fmt: skip
    event = SyscallError(
        **common(ts_ns, who),
        abi=ABIS[call.abi],
        syscall=call.name,
        errno=error,
        paths=tuple(map(printable, paths)),
        args=tuple(args),
        ip=ip,
        stack=tuple(map(Frame, stack)),
        address=socket_address(texts[0]) if call.address else "",
    )
    return made, event


anything = st.one_of(forks(), exits(), outputs(), execs(), failures())


@given(st.lists(anything, max_size=8))
def test_every_record_becomes_the_event_it_was_made_of(made: list[tuple[bytes, Event]]) -> None:
    assert all(len(record) % 8 == 0 for record, _ in made)
    assert DECODER.decode(b"".join(record for record, _ in made)) == [event for _, event in made]


@given(st.lists(anything, min_size=1, max_size=4), st.data())
def test_damaged_records_are_an_error_or_other_events_but_no_crash(
    made: list[tuple[bytes, Event]], data: st.DataObject
) -> None:
    damaged = bytearray(b"".join(record for record, _ in made))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        events = DECODER.decode(bytes(damaged))
    except (ValueError, struct.error):
        return
    assert all(isinstance(event, Event) for event in events)


@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_it_crash(data: bytes) -> None:
    try:
        events = DECODER.decode(data)
    except (ValueError, struct.error):
        return
    assert events == [] or len(data) >= records.HEAD.size


@given(anything, st.integers(1, 400))
def test_half_a_record_is_no_event(made: tuple[bytes, Event], missing: int) -> None:
    record, _ = made
    half = record[: max(1, len(record) - missing)]
    with pytest.raises((ValueError, struct.error)):
        DECODER.decode(half)


def test_a_spool_from_before_there_were_frames_can_be_read() -> None:
    RecordDecoder({"format": 1})


def test_a_format_of_a_later_version_is_refused() -> None:
    with pytest.raises(RecordingError, match="format 99"):
        RecordDecoder({"format": 99})


def test_a_refused_address_is_no_path() -> None:
    """Of a call that a build's filter does not stop at; older spools have none."""
    bind = next(call for call in by_mark().values() if call.name == "bind" and call.abi == 0)
    for text, address in ((b"\x02\0\0\x50\x7f\0\0\x01" + bytes(8), "127.0.0.1:80"), (b"", "")):
        size = records.FAILURE_HEAD.size + len(text)
        made = records.FAILURE_HEAD.pack(
            size + (-size & 7), records.FAILURE, 0, 1, 7, 7, 7, 98, bind.mark, len(text), 0, 0, 9, *range(6)
        )
        (event,) = records.RecordDecoder({"format": records.FORMAT}).decode(made + text + b"\0" * (-size & 7))
        assert isinstance(event, SyscallError)
        assert (event.syscall, event.paths, event.address) == ("bind", (), address)
