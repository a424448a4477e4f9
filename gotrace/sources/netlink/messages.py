"""What the process connector says, unpacked: struct cn_msg and struct proc_event of the kernel's headers.

pyroute2 declares these structures field by field. Its own parser makes a dictionary of each message, which takes ten
times as long as `struct` does; whoever reads late finds no command line in /proc any more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

_NLMSG_DONE: Final = 3
"""<linux/netlink.h>: the type of every connector message."""


class Forked(NamedTuple):
    """`child` is a new process or, where `child_tid` differs, has a new thread. `parent` and `tid`: who has it now."""

    ts_ns: int
    tid: int
    parent: int
    child_tid: int
    child: int


class Executed(NamedTuple):
    """A process runs another program. Its other threads are gone, and the one that is left has the process's number."""

    ts_ns: int
    tid: int
    pid: int


class Ended(NamedTuple):
    """A thread is gone. `code` is what wait(2) tells of its process if it was the last one."""

    ts_ns: int
    tid: int
    pid: int
    code: int


class Acknowledged(NamedTuple):
    """The answer to a request: `number` is the request's own plus one, `error` a positive errno, or 0."""

    number: int
    error: int


Message = Forked | Executed | Ended | Acknowledged


class Numbered(NamedTuple):
    """A message (None: of a sort that does not matter here) and its number among those that one CPU has sent."""

    cpu: int
    seq: int
    message: Message | None


class Dialect:
    """Unpacks messages and makes requests, by pyroute2's declarations."""

    def __init__(self) -> None:
        from pyroute2.netlink.connector import cn_proc

        self._request = cn_proc.proc_event_control
        self._index, self._value = cn_proc.CN_IDX_PROC, cn_proc.CN_VAL_PROC
        self._listen, self._ignore = cn_proc.PROC_CN_MCAST_LISTEN, cn_proc.PROC_CN_MCAST_IGNORE
        self.group: int = cn_proc.CN_IDX_PROC
        self._header = struct.calcsize(_format(cn_proc.cn_msg.header))
        self._common = _picker(cn_proc.proc_event_base.fields, "what", "cpu", "seq", "ack")
        self._after_common = self._header + struct.calcsize(_format(cn_proc.proc_event_base.fields))
        self._none = cn_proc.PROC_EVENT_NONE
        fork, execution, ending = cn_proc.proc_event_fork, cn_proc.proc_event_exec, cn_proc.proc_event_exit
        process = ("timestamp_ns", "process_pid", "process_tgid")
        family = ("timestamp_ns", "parent_pid", "parent_tgid", "child_pid", "child_tgid")
        self._kinds: dict[int, tuple[type[Forked | Executed | Ended], Callable[[bytes, int], tuple[int, ...]]]] = {
            cn_proc.PROC_EVENT_FORK: (Forked, _picker(fork.fields, *family)),
            cn_proc.PROC_EVENT_EXEC: (Executed, _picker(execution.fields, *process)),
            cn_proc.PROC_EVENT_EXIT: (Ended, _picker(ending.fields, *process, "exit_code")),
        }

    def unpack(self, datagram: bytes) -> Numbered | None:
        """The message of one datagram; None where it is too short to be one."""
        try:
            what, cpu, seq, ack = self._common(datagram, self._header)
            if what == self._none:
                return Numbered(cpu, seq, Acknowledged(ack, *_WORD.unpack_from(datagram, self._after_common)))
            if what not in self._kinds:
                return Numbered(cpu, seq, None)
            kind, pick = self._kinds[what]
            return Numbered(cpu, seq, kind(*pick(datagram, self._header)))
        except struct.error:
            return None

    def request(self, *, listen: bool, number: int) -> bytes:
        """Ask for events, or for no more of them; `number` (below 2**32 - 1) comes back in the acknowledgement."""
        message = self._request()
        message["header"]["type"] = _NLMSG_DONE
        message["idx"], message["val"], message["ack"] = self._index, self._value, number
        message["len"] = _WORD.size
        message["action"] = self._listen if listen else self._ignore
        message.encode()
        return bytes(message.data)


_WORD: Final = struct.Struct("=I")
_Fields = Sequence[tuple[str, str]]


def _format(fields: _Fields) -> str:
    """The `struct` format of a declaration: without padding, for cn_msg is 20 bytes long and proc_event follows it."""
    return "=" + "".join(code for _, code in fields)


def _picker(fields: _Fields, *wanted: str) -> Callable[[bytes, int], tuple[int, ...]]:
    """A function that unpacks the `wanted` fields, in that order, at an offset."""
    unpack = struct.Struct(_format(fields)).unpack_from
    names = [name for name, _ in fields]
    pick: Callable[[Any], tuple[int, ...]] = itemgetter(*map(names.index, wanted))
    return lambda data, at: pick(unpack(data, at))
