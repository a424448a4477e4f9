"""All in which the events of one run differ between eBPF and ptrace; docs/architecture.md tells the same to readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from gotrace.events.model import Event, Exec, Exit, Output, SyscallError
from gotrace.sources.ptrace.calls import ABIS, Kind, observed
from tests.integration.both import Both

_AT_EMPTY_PATH = 0x1000
_FLAGS = {"newfstatat": 3, "fstatat64": 3, "statx": 2}
_KINDS = {(ABIS[call.abi], call.name): call.kind for call in observed()}
_EBPF_STRING, _EBPF_PATH = 511, 2047
"""Bytes that eBPF keeps of one argument of a refused exec, and of a path (syscall_errors.c)."""

Events = list[Event]


class Difference(NamedTuple):
    """One documented difference. `even` makes the same of both sides' events, eBPF's first."""

    title: str
    """As in the documentation."""
    even: Callable[[Events, Events], tuple[Events, Events]]


def only_ebpf(sees: Callable[[Event], bool]) -> Callable[[Events, Events], tuple[Events, Events]]:
    """eBPF's events that `sees` picks are left out; ptrace must have none of them, or they would be unequal."""
    return lambda ebpf, ptrace: ([event for event in ebpf if not sees(event)], ptrace)


def _of(names: Iterable[str]) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, SyscallError) and event.syscall in names


def _x32(event: Event) -> bool:
    return isinstance(event, SyscallError) and event.abi == "x32"


def _empty_path(event: Event) -> bool:
    return (
        isinstance(event, SyscallError)
        and event.syscall in _FLAGS
        and bool(event.args[_FLAGS[event.syscall]] & _AT_EMPTY_PATH)
    )


def _of_kind(kind: Kind) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, SyscallError) and _KINDS.get((event.abi, event.syscall)) is kind


def _without_path(event: Event) -> bool:
    return (
        isinstance(event, SyscallError)
        and event.abi in ABIS
        and (event.abi, event.syscall) not in _KINDS
        and not event.paths
    )


def _refused_vectors(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    """Arguments of a refused exec are cut to what both have of them; so far they must be the same.

    eBPF carries a part, and of that what is resident; ptrace finds none where another thread has just ended it.
    """
    ebpf, ptrace = list(ebpf), list(ptrace)
    partners: dict[tuple[Any, ...], list[int]] = {}
    for at, event in enumerate(ptrace):
        if isinstance(event, Exec) and event.error:
            partners.setdefault((event.pid, event.tid, event.path, event.error), []).append(at)
    for at, event in enumerate(ebpf):
        if isinstance(event, Exec) and (others := partners.get((event.pid, event.tid, event.path, event.error))):
            other = others.pop(0)
            ebpf[at], ptrace[other] = _cut_alike(event, ptrace[other])
    return ebpf, ptrace


def _cut_alike(one: Exec, other: Event) -> tuple[Event, Event]:
    argv = (one.argv or (), (other.argv if isinstance(other, Exec) else None) or ())
    first, second = (tuple(text[:_EBPF_STRING] for text in texts) for texts in argv)
    common = min(first, second, key=len)
    whole = first == second == argv[0] == argv[1]
    if whole or first[: len(common)] != second[: len(common)]:
        return one, other
    return (
        msgspec.structs.replace(one, argv=common, argv_bytes=0),
        msgspec.structs.replace(other, argv=common, argv_bytes=0),
    )


def _refused_places(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    return ebpf, [
        msgspec.structs.replace(event, root="", mount_namespace=0) if isinstance(event, Exec) and event.error else event
        for event in ptrace
    ]


def _killed_in_a_call(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    """A thread that is killed in a call leaves it, but stops for no tracer; nobody gets the result.

    So it may be where the process died of a signal, or has other threads, of which one executed or ended the process.
    """
    last = {(event.pid, event.tid): event for event in ebpf if not isinstance(event, Exit)}
    killed = {event.pid for event in ebpf if isinstance(event, Exit) and event.signal}
    threads = Counter(pid for pid, _ in last)
    unseen = Counter(map(comparable, ebpf)) - Counter(map(comparable, ptrace))
    kept = []
    for event in ebpf:
        alone = event.pid not in killed and threads[event.pid] == 1 and event.tid == event.pid
        is_last = last.get((event.pid, event.tid)) is event and not alone and _refused(event)
        if is_last and unseen[comparable(event)]:
            unseen[comparable(event)] -= 1
        else:
            kept.append(event)
    return kept, ptrace


def _refused(event: Event) -> bool:
    return isinstance(event, SyscallError) or (isinstance(event, Exec) and event.error != 0)


def _long_paths(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    return ebpf, [_shorter(event) for event in ptrace]


def _shorter(event: Event) -> Event:
    if isinstance(event, SyscallError):
        return msgspec.structs.replace(event, paths=tuple(path[:_EBPF_PATH] for path in event.paths))
    if isinstance(event, Exec) and event.error:
        return msgspec.structs.replace(event, path=event.path[:_EBPF_PATH])
    return event


def _last_threads(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    return (
        [msgspec.structs.replace(event, tid=event.pid) if isinstance(event, Exit) else event for event in ebpf],
        ptrace,
    )


DIFFERENCES = (
    Difference("calls without a path", only_ebpf(_without_path)),
    Difference("readlink", only_ebpf(_of(("readlink", "readlinkat")))),
    Difference("AT_EMPTY_PATH", only_ebpf(_empty_path)),
    Difference("failing writes", only_ebpf(_of_kind(Kind.WRITE))),
    Difference("reads of the clock that fail", only_ebpf(_of_kind(Kind.CLOCK))),
    Difference("x32", only_ebpf(_x32)),
    Difference("long paths", _long_paths),
    Difference("arguments of a refused exec", _refused_vectors),
    Difference("the root of a refused exec", _refused_places),
    Difference("the thread of an exit", _last_threads),
    Difference("calls in which a thread is killed", _killed_in_a_call),  # the last: it compares what is even by now
)


def _unreadable(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    """Of processes whose program ptrace could not read, only that things happened is compared."""
    blind = {event.pid for event in ptrace if isinstance(event, Exec) and not event.error and event.argv is None}
    ebpf, ptrace = ([e for e in side if not (isinstance(e, Output) and e.pid in blind)] for side in (ebpf, ptrace))
    return [_blinded(event, blind) for event in ebpf], [_blinded(event, blind) for event in ptrace]


def _blinded(event: Event, blind: set[int]) -> Event:
    if event.pid in blind and isinstance(event, SyscallError):
        return msgspec.structs.replace(event, paths=())
    if event.pid in blind and isinstance(event, Exec):
        path = "" if event.error else event.path
        return msgspec.structs.replace(event, path=path, argv=None, argv_bytes=None, env=None, cwd=None)
    return event


def _suppressed(ebpf: Events, ptrace: Events) -> tuple[Events, Events]:
    return ebpf, [msgspec.structs.replace(e, suppressed=False) if isinstance(e, Exec) else e for e in ptrace]


OF_ORDINARY_USERS = (
    Difference("programs that may not be read", _unreadable),
    Difference("suppressed privileges", _suppressed),
)
"""Where the tracer is not root."""


def comparable(event: Event) -> tuple[tuple[str, Any], ...]:
    """All its fields but when it was noted (`ts_ns`) and its place in a recording (`seq`)."""
    fields = {"kind": type(event).__name__, **msgspec.structs.asdict(event)}
    del fields["ts_ns"], fields["seq"]
    if isinstance(fields.get("env"), dict):
        fields["env"] = tuple(sorted(fields["env"].items()))
    return tuple(fields.items())


def unequal(both: Both, *, but_for: Iterable[Difference] = DIFFERENCES) -> tuple[list[Any], list[Any]]:
    """What only eBPF and what only ptrace has of a run, after the documented differences were evened out."""
    ebpf, ptrace = list(both.ebpf.events), list(both.ptrace.events)
    for difference in but_for:
        ebpf, ptrace = difference.even(ebpf, ptrace)
    first, second = (Counter(map(comparable, events)) for events in (ebpf, ptrace))
    return sorted((first - second).elements(), key=repr), sorted((second - first).elements(), key=repr)
