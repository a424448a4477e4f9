"""Decodes the probes' raw records into events, by the layout that the C compiler gave them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from gotrace.events.addresses import socket_address
from gotrace.events.model import Event, Exec, Exit, Fork, Output, SyscallError
from gotrace.events.text import printable
from gotrace.sources import syscalls
from gotrace.sources.ebpf.compiled import Layout, format_of
from gotrace.sources.ebpf.ring import DISCARDED, HEADER_BYTES
from gotrace.sources.ebpf.run_records import ABIS, RunDecoder

_CORE: Final = 0x80

_path = lru_cache(maxsize=16384)(printable)


class RecordDecoder:
    """Made from `decoder_info` of an eBPF capture: layouts and constants of records.h.

    `whole` is asked for an argument vector or an environment that was longer than records carry: for the file
    ("cmdline", "environ") below /proc/PID of a process that may still live; None from it leaves the vector cut, and
    the environment unknown.
    """

    def __init__(self, info: Mapping[str, Any], whole: Callable[[int, str], bytes | None] | None = None) -> None:
        layouts = msgspec.convert(info["layouts"], dict[str, Layout])
        constants: dict[str, int] = dict(info["constants"])
        self._whole = whole
        self._fork = format_of(layouts["fork_record"]).unpack_from
        self._exec = format_of(layouts["exec_record"]).unpack_from
        self._exit = format_of(layouts["exit_record"]).unpack_from
        text, failure = format_of(layouts["text_record"], until="text"), layouts["failure_record"]
        self._text, self._text_bytes = text.unpack_from, text.size
        self._failure = format_of(failure, until=("burst", "frames", "text")).unpack_from
        self._failure_bytes = format_of(failure, until="text").size
        names = [member[0] for member in layouts["exit_record"].members]
        head = Layout(layouts["exit_record"].members[: names.index("kind")])
        self._kind_offset = format_of(head).size
        self._truncated = constants["FLAG_TRUNCATED"]
        self._in_progress = constants.get("FLAG_IN_PROGRESS", 0)  # not in spools of older versions
        self._parts = {number: name for name, number in constants.items() if name.startswith("PART_")}
        self._decoders = {
            constants["KIND_FAILURE"]: self._decode_failure,
            constants["KIND_TEXT"]: self._decode_text,
            constants["KIND_FORK"]: self._decode_fork,
            constants["KIND_EXEC"]: self._decode_exec,
            constants["KIND_EXIT"]: self._decode_exit,
        }
        self._run = RunDecoder(layouts, constants) if "dl_record" in layouts else None
        if self._run is not None:
            self._decoders |= self._run.decoders(self._decode_failure)
        # Texts that wait for the record they belong to, by pid.
        self._waiting: dict[int, dict[str, list[bytes]]] = {}
        self._cut: set[int] = set()
        self._own_mounts = int(info.get("mount_namespace", 0))
        self._own_root: str | None = None
        self._names = syscalls.names()
        self._exec_names = frozenset({"execve", "execveat"})

    def decode(self, data: bytes) -> list[Event]:
        """Events of whole ring records, in their order."""
        events: list[Event] = []
        append, decoders, kind_at = events.append, self._decoders, self._kind_offset + HEADER_BYTES
        word, half = struct.Struct("<I").unpack_from, struct.Struct("<H").unpack_from
        position, end = 0, len(data)
        while position < end:
            length = word(data, position)[0]
            size = length & ~DISCARDED
            if not length & DISCARDED:
                event = decoders[half(data, position + kind_at)[0]](data, position + HEADER_BYTES)
                if event is not None:
                    append(event)
            position += (size + HEADER_BYTES + 7) & ~7
        if self._run is not None:
            events = self._run.with_moments(events)
        return _joined(events)

    def take_stopped(self) -> set[int]:
        """Processes that the probes have stopped since this was asked last (mappings.c), by pid."""
        return self._run.take_stopped() if self._run is not None else set()

    def _decode_failure(self, data: bytes, at: int) -> Event | None:
        (ts_ns, pid, tid, ns_pid, _, _, ip, a0, a1, a2, a3, a4, a5, number, error, abi_number, first, second, flags) = (
            self._failure(data, at)
        )
        start = at + self._failure_bytes
        abi = ABIS[abi_number]
        name = self._names.get((abi, number)) or f"syscall_{number}"
        paths: tuple[str, ...] = ()
        address = ""
        if first and syscalls.names_an_address(name):
            address = socket_address(data[start : start + first])
        elif first:
            paths = (_path(data[start : start + first - 1]),)
        if second:
            paths = (*paths, _path(data[start + first : start + first + second - 1]))
        inner = ns_pid if ns_pid != pid else None
        if name in self._exec_names:
            cut = pid in self._cut
            argv = self._argv(self._take(pid, "PART_FAILED_ARGV"))
            path = paths[0] if paths else ""
            return Exec(
                ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, path=path, argv=argv, error=error,
                argv_bytes=0 if cut else None,
            )  # fmt: skip
        return SyscallError(
            ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=inner, abi=abi, syscall=name, errno=error, paths=paths,
            args=(a0, a1, a2, a3, a4, a5), ip=ip, address=address,
            in_progress=bool(flags & self._in_progress),
        )  # fmt: skip

    def _decode_text(self, data: bytes, at: int) -> Event | None:
        ts_ns, pid, tid, ns_pid, _, part, length, flags = self._text(data, at)
        start = at + self._text_bytes
        text = data[start : start + length]
        name = self._parts[part]
        if name == "PART_STDERR":
            return Output(
                ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=ns_pid if ns_pid != pid else None, text=text.decode("latin-1"),
                truncated=bool(flags & self._truncated),
            )  # fmt: skip
        if flags & self._truncated:
            self._cut.add(pid)
        self._waiting.setdefault(pid, {}).setdefault(name, []).append(text)
        return None

    def _take(self, pid: int, part: str) -> bytes | None:
        self._cut.discard(pid)
        texts = self._waiting.pop(pid, {}).get(part)
        return b"".join(texts) if texts is not None else None

    @staticmethod
    def _argv(block: bytes | None) -> tuple[str, ...] | None:
        if block is None:
            return None
        return tuple(map(printable, block.removesuffix(b"\0").split(b"\0"))) if block else ()

    def _decode_fork(self, data: bytes, at: int) -> Event:
        ts_ns, pid, tid, ns_pid, _, _, child, _ = self._fork(data, at)
        return Fork(ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=ns_pid if ns_pid != pid else None, child_pid=child)

    def _decode_exec(self, data: bytes, at: int) -> Event:
        ts_ns, pid, tid, ns_pid, _, _, argv_bytes, env_bytes, *mounts = self._exec(data, at)
        cwd_cut = pid in self._cut
        self._cut.discard(pid)
        texts = {name: b"".join(pieces) for name, pieces in self._waiting.pop(pid, {}).items()}
        argv = self._completed(pid, "cmdline", texts.get("PART_ARGV"), argv_bytes)
        env = self._completed(pid, "environ", texts.get("PART_ENV"), env_bytes)
        return Exec(
            ts_ns=ts_ns,
            pid=pid,
            tid=tid,
            ns_pid=ns_pid if ns_pid != pid else None,
            path=printable(texts.get("PART_PATH", b"").removesuffix(b"\0")),
            argv=self._argv(argv),
            # Whoever reads half an environment takes the other half for unset; so it is all or nothing.
            env=_environment(env) if env is not None and len(env) >= env_bytes else None,
            cwd=_folder(texts["PART_CWD"]) if "PART_CWD" in texts and not cwd_cut else None,
            argv_bytes=argv_bytes if argv_bytes > len(argv or b"") else None,
            root=self._root(texts.get("PART_ROOT", b"")),
            mount_namespace=mounts[0] if mounts and mounts[0] != self._own_mounts else 0,
        )

    def _root(self, names: bytes) -> str:
        """From our own root folder on, which is that of the first exec. The kernel names it from its real root on."""
        folder = _folder(names).removesuffix("/")
        if self._own_root is None:
            self._own_root = folder
        below = folder == self._own_root or folder.startswith(self._own_root + "/")
        return folder.removeprefix(self._own_root) if below else folder

    def _completed(self, pid: int, file: str, kept: bytes | None, length: int) -> bytes | None:
        """The whole block of `length` bytes where it can be had, else what the records carried."""
        if length == 0:
            return b""  # nothing is known for sure: no record tells of an empty one
        if len(kept or b"") < length and self._whole is not None:
            whole = self._whole(pid, file)
            # The process may have changed since: believe only what begins as the kernel told us.
            if whole is not None and len(whole) == length and whole.startswith(kept or b""):
                return whole
        return kept

    def _decode_exit(self, data: bytes, at: int) -> Event:
        ts_ns, pid, tid, ns_pid, _, _, code, _ = self._exit(data, at)
        self._waiting.pop(pid, None)
        self._cut.discard(pid)
        signal = code & 0x7F
        return Exit(
            ts_ns=ts_ns, pid=pid, tid=tid, ns_pid=ns_pid if ns_pid != pid else None,
            status=None if signal else code >> 8 & 0xFF, signal=signal or None, core=bool(code & _CORE),
        )  # fmt: skip


def _environment(block: bytes) -> dict[str, str]:
    variables = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry)
    return {printable(name): printable(value) for name, _, value in variables}


def _folder(names: bytes) -> str:
    """From names between the folder and the root, innermost first, each with its NUL."""
    return "/" + "/".join(map(printable, reversed(names.split(b"\0")[:-1])))


def _joined(events: list[Event]) -> list[Event]:
    """One event for each write: its chunks carry the same time. Bytes become text here, when they are whole."""
    result: list[Event] = []
    writes: dict[tuple[int, int, int], int] = {}
    for event in events:
        if isinstance(event, Output):
            key = (event.pid, event.tid, event.ts_ns)
            if key in writes:  # other processes' records may lie between two chunks
                first = result[writes[key]]
                result[writes[key]] = msgspec.structs.replace(event, text=getattr(first, "text", "") + event.text)
                continue
            writes[key] = len(result)
        result.append(event)
    for at in writes.values():
        output = result[at]
        if isinstance(output, Output):
            result[at] = msgspec.structs.replace(output, text=printable(output.text.encode("latin-1")))
    return result
