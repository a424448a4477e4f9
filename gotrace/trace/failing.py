"""Failing calls of a running program, put together and ranked: what a person should look at first.

System calls, programs that could not be started, and what dlopen and dlsym did not find. A healthy program has failing
calls all the time: loaders and resolvers try one place after the other. So what ranks high is a program that was not
there, a refusal (EPERM, EACCES, ENOSYS ...), an exhausted resource, and what a thread did last before the end; what
ranks low is a look-up that succeeded elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Dlopen, Dlsym, Exec, Frame, SyscallError
from gotrace.events.running import RTLD_NOLOAD
from gotrace.trace.callers import callers, is_of_a_library
from gotrace.trace.dynamic import error_of, is_null, library_of
from gotrace.trace.model import Span, Trace
from gotrace.trace.refused_execs import RefusedExec, refused_execs

_REFUSED: Final = errno_numbers("EPERM", "ENOSYS", "EACCES", "EROFS", "ETXTBSY")
_EXHAUSTED: Final = errno_numbers("EMFILE", "ENFILE", "ENOMEM", "ENOSPC", "EDQUOT")
_SEARCHED: Final = errno_numbers("ENOENT", "ENOTDIR")
_UNREACHED: Final = errno_numbers(
    "ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET", "EADDRINUSE", "ENETDOWN"
)
_MAKES_THREADS: Final = frozenset({"clone", "clone3", "fork", "vfork", "mmap"})
_OPTIONAL: Final = (
    "/etc/ld.so.",
    "/glibc-hwcaps/",
    "/LC_MESSAGES/",
    "/locale/",
    "/gconv/",
    "/selinux",
    "/proc/self/",
    "/sys/kernel/mm/",
    "/sys/fs/cgroup/",
)
"""Parts of paths that C libraries and runtimes look at and do well without."""
_HARMLESS: Final = frozenset(
    (syscall, number)
    for syscall, names in {
        "futex": ("ETIMEDOUT", "EAGAIN", "EINTR"),
        "epoll_wait": ("EINTR",),
        "epoll_pwait": ("EINTR",),
        "nanosleep": ("EINTR",),
        "ioctl": ("ENOTTY",),
        "lseek": ("ESPIPE",),
        "readlink": ("EINVAL",),
        "readlinkat": ("EINVAL",),
        "mincore": ("ENOMEM",),
        "pidfd_send_signal": ("EBADF",),
        "waitid": ("EINVAL",),
    }.items()
    for number in errno_numbers(*names)
)
"""runtime/os_linux.go, os/pidfd_linux.go (checkPidfd asks with arguments that must fail); isatty(3); realpath(3)."""
_PR_SET_VMA: Final = 0x53564D41
"""Go names its mappings where the kernel takes names (runtime/set_vma_name_linux.go)."""
_THREADS: Final = 2
_LAST: Final = 3
"""So many calls of a thread before the end of its process are what it did last."""
_MANY_PATHS: Final = 10
_SOON_NS: Final = 1_000_000_000
_TELLING_ARGUMENTS: Final[dict[str, tuple[int, ...]]] = {
    "clone": (0,),
    "fcntl": (1,),
    "getsockopt": (1, 2),
    "ioctl": (1,),
    "madvise": (2,),
    "prctl": (0,),
    "prlimit64": (1,),
    "setrlimit": (0,),
    "setsockopt": (1, 2),
    "socket": (0, 1, 2),
}
"""Arguments that say what was asked for; the others are pointers, descriptors and sizes, which differ each time."""

Failure = SyscallError | Exec | Dlopen | Dlsym
"""What may fail."""


class Relevance(IntEnum):
    """The higher, the sooner to look at."""

    HARMLESS = -1
    """Go's runtime and the C libraries make it in every program, and live with its failure."""
    SEARCH = 0
    """A name was looked for where it is not."""
    OTHER = 1
    UNREACHED = 2
    LAST = 3
    """Among the last failing calls of a thread of a process that failed."""
    EXHAUSTED = 4
    REFUSED = 5
    NOT_STARTED = 6
    """A program could not be started, and the one that wanted it failed soon after."""


@dataclass(slots=True)
class FailingCalls:
    """Calls of one kind, from one place in one program, with one error (and one path), in all processes that ran it."""

    first: Failure
    span: Span
    """The image that made the first one."""
    relevance: Relevance
    by: tuple[Frame, ...] = ()
    """Who made them (see `gotrace.trace.callers`)."""
    reason: str = ""
    """Of dlopen and dlsym: what dlerror told, else which library was asked for the symbol."""
    count: int = 0
    last_ns: int = 0
    tids: set[int] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    """Of an exec: each file that was tried for the name, in the folders of PATH."""
    paths: frozenset[tuple[str, ...]] = frozenset()
    """All that were asked for in the same way, where they are many; `first` is of the newest then."""
    known: int = 0
    """Of how many of them the frames behind the library's are known, where that is not so of all; of these is `by`."""
    since_ns: int = 0
    """When it began, where that was not with `first`."""

    @property
    def seconds(self) -> float:
        """Between the first and the last one."""
        return (self.last_ns - (self.since_ns or self.first.ts_ns)) / 1e9

    @property
    def rate(self) -> float:
        """Calls a second in that time; 0 for a single moment."""
        return self.count / self.seconds if self.seconds > 0.001 else 0.0

    @property
    def program(self) -> str:
        """The name of the program that made them."""
        return self.span.program


def is_harmless(call: SyscallError) -> bool:
    """A call that Go's runtime or a C library makes in every healthy program on some kernels, whatever comes of it."""
    if (call.syscall, call.errno) in _HARMLESS:
        return True
    if call.syscall == "prctl":
        return call.args[:1] == (_PR_SET_VMA,)
    return bool(call.paths) and call.errno in _SEARCHED and any(part in call.paths[0] for part in _OPTIONAL)


def failing_calls(trace: Trace) -> list[FailingCalls]:
    """All of them, the most relevant first; of equals the latest, for what failed last is nearest to the end."""
    return trace.once("failing calls", lambda: _ranked(trace))


def _ranked(trace: Trace) -> list[FailingCalls]:
    groups = _Groups()
    for span in trace.spans:
        last = frozenset(map(id, _last_calls(span))) if span.failed else frozenset[int]()
        for call in span.errors:
            groups.add_call(span, call, _relevance(call, of_last=id(call) in last))
        for asked, relevance in _not_found(span):
            groups.add_not_found(span, asked, relevance)
    for refused in refused_execs(trace):
        groups.add_exec(refused, _relevance_of_exec(refused))
    return sorted(groups.together(), key=lambda group: (-group.relevance, -group.last_ns))


class _Groups:
    """What was put together so far, by what makes calls alike."""

    def __init__(self) -> None:
        self.found: dict[Hashable, FailingCalls] = {}
        self._callers: dict[Hashable, tuple[tuple[Frame, ...], Hashable]] = {}

    def add_call(self, span: Span, call: SyscallError, relevance: Relevance) -> None:
        """A failing system call, which may stand for several."""
        by, place = self._by(span, call.stack)
        key = (*_asked(span, call), call.paths, call.address, place)
        group = self.found.get(key)
        if group is None:
            group = self.found[key] = FailingCalls(call, span, relevance, by)
        self._count(group, call, relevance, call.repeat)

    def add_not_found(self, span: Span, asked: Dlopen | Dlsym, relevance: Relevance) -> None:
        """A dlopen or dlsym that returned NULL."""
        by, place = self._by(span, (asked.caller,) if asked.caller is not None else ())
        named = asked.filename if isinstance(asked, Dlopen) else (asked.symbol, asked.version)
        key = (span.program, type(asked), named, place)
        group = self.found.get(key)
        if group is None:
            group = self.found[key] = FailingCalls(asked, span, relevance, by, _reason(span, asked))
        self._count(group, asked, relevance)

    def add_exec(self, refused: RefusedExec, relevance: Relevance) -> None:
        """A refused exec; the folders of PATH that were tried for one name are one."""
        call = refused.call
        key = (refused.span.program, "execve", call.path.rpartition("/")[2], call.error)
        group = self.found.get(key)
        if group is None:
            by, _ = self._by(refused.span, call.stack)
            group = self.found[key] = FailingCalls(call, refused.span, relevance, by)
        group.files.add(call.path)
        self._count(group, call, relevance)

    def together(self) -> list[FailingCalls]:
        """All of them; those from one place that differ in nothing but their path are one where there are many."""
        found: list[FailingCalls] = []
        by_the_rest: dict[Hashable, list[FailingCalls]] = {}
        for group in self.found.values():
            call = group.first
            if isinstance(call, SyscallError) and call.paths and group.by:
                _, place = self._by(group.span, call.stack)
                rest = (*_asked(group.span, call), place)
                by_the_rest.setdefault(rest, []).append(group)
            else:
                found.append(group)
        for alike in by_the_rest.values():
            found += [_one_of(alike)] if len(alike) >= _MANY_PATHS else alike
        return _with_those_less_known(found)

    @staticmethod
    def _count(group: FailingCalls, call: Failure, relevance: Relevance, times: int = 1) -> None:
        group.relevance = max(group.relevance, relevance)
        group.count += times
        group.last_ns = max(group.last_ns, call.ts_ns)
        group.tids.add(call.tid)
        group.pids.add(call.pid)

    def _by(self, span: Span, stack: tuple[Frame, ...]) -> tuple[tuple[Frame, ...], Hashable]:
        """Who asked, and what that place is called in every process: addresses differ from one to the next."""
        key = (id(span), tuple(frame.ip for frame in stack))
        known = self._callers.get(key)
        if known is None:
            by = callers(stack)
            known = by, tuple((frame.module, frame.symbol or frame.address) for frame in by)
            self._callers[key] = known
        return known


def _asked(span: Span, call: SyscallError) -> tuple[Hashable, ...]:
    """What alike calls have in common beside place and path: the program, the call, and the arguments that say most."""
    what = tuple(call.args[number : number + 1] for number in _TELLING_ARGUMENTS.get(call.syscall, ()))
    return span.program, call.abi, call.syscall, what, call.errno


def _one_of(alike: Sequence[FailingCalls]) -> FailingCalls:
    """The newest, for all."""
    newest = max(alike, key=lambda group: group.last_ns)
    calls = [group.first for group in alike if isinstance(group.first, SyscallError)]
    return replace(
        newest,
        relevance=max(group.relevance for group in alike),
        count=sum(group.count for group in alike),
        tids=set().union(*(group.tids for group in alike)),
        pids=set().union(*(group.pids for group in alike)),
        paths=frozenset(call.paths for call in calls).union(*(group.paths for group in alike)),
        since_ns=min(group.since_ns or group.first.ts_ns for group in alike),
    )


def _with_those_less_known(groups: list[FailingCalls]) -> list[FailingCalls]:
    """Not each stack could be looked at: of some calls there is only the library's function. They go with the others.

    That is where all of these come from one place; else nobody knows whose they are.
    """
    found: dict[Hashable, list[FailingCalls]] = {}
    for group in groups:
        call = group.first
        key: Hashable = id(group)
        if isinstance(call, SyscallError) and group.by:
            paths = None if group.paths else call.paths
            key = (*_asked(group.span, call), paths, group.by[0].symbol)
        found.setdefault(key, []).append(group)
    return [one for alike in found.values() for one in _known_by_another(alike)]


def _known_by_another(alike: list[FailingCalls]) -> list[FailingCalls]:
    if len(alike) != 2:
        return alike
    less, more = sorted(alike, key=lambda group: len(group.by))
    if len(less.by) == len(more.by) or not all(map(is_of_a_library, less.by)):
        return alike
    return [replace(_one_of(alike), by=more.by, known=more.count, paths=less.paths | more.paths)]


def _relevance(call: SyscallError, *, of_last: bool) -> Relevance:
    if is_harmless(call):
        return Relevance.HARMLESS
    if call.errno in _REFUSED:
        return Relevance.REFUSED
    if call.errno in _EXHAUSTED or (call.syscall in _MAKES_THREADS and not call.paths):
        return Relevance.EXHAUSTED
    if call.errno in _SEARCHED and call.paths:
        return Relevance.LAST if of_last else Relevance.SEARCH
    if of_last:
        return Relevance.LAST
    return Relevance.UNREACHED if call.errno in _UNREACHED else Relevance.OTHER


def _last_calls(span: Span) -> list[SyscallError]:
    """The last ones of the threads that failed last, of which one brought the end; without those that only search."""
    searched = _searched_names(span)
    by_thread: dict[int, list[SyscallError]] = {}
    for call in span.errors:
        if not (is_harmless(call) or _is_search(call, searched)):
            by_thread.setdefault(call.tid, []).append(call)
    threads = sorted(by_thread.values(), key=lambda calls: -calls[-1].ts_ns)[:_THREADS]
    return [call for calls in threads for call in calls[-_LAST:]]


def _searched_names(span: Span) -> frozenset[str]:
    """Names that were looked for in more than one folder."""
    folders: dict[str, set[str]] = {}
    for call in span.errors:
        if call.errno in _SEARCHED and call.paths:
            folder, _, name = call.paths[0].rpartition("/")
            folders.setdefault(name, set()).add(folder)
    return frozenset(name for name, tried in folders.items() if len(tried) > 1)


def _is_search(call: SyscallError, searched: frozenset[str]) -> bool:
    return bool(call.paths) and call.errno in _SEARCHED and call.paths[0].rpartition("/")[2] in searched


def _relevance_of_exec(refused: RefusedExec) -> Relevance:
    if refused.replaced:
        return Relevance.SEARCH
    span = refused.span
    if span.failed and span.end_ns is not None and span.end_ns - refused.call.ts_ns < _SOON_NS:
        return Relevance.NOT_STARTED
    return Relevance.REFUSED if refused.call.error in _REFUSED else Relevance.UNREACHED


def _not_found(span: Span) -> Iterator[tuple[Dlopen | Dlsym, Relevance]]:
    """Each dlopen and dlsym that returned NULL. Who only asks whether a library is loaded needs none."""
    asked = [one for one in span.linking if isinstance(one, Dlopen | Dlsym)]
    found = {_wanted(one) for one in asked if not is_null(one)}
    failed = [one for one in asked if is_null(one)]
    missed = [one for one in failed if not _only_asks(one) and _wanted(one) not in found]
    last = frozenset(map(id, missed[-_LAST:])) if span.failed else frozenset[int]()
    for one in failed:
        if _only_asks(one):
            yield one, Relevance.HARMLESS
        elif _wanted(one) in found:
            yield one, Relevance.SEARCH
        else:
            yield one, Relevance.LAST if id(one) in last else Relevance.OTHER


def _wanted(asked: Dlopen | Dlsym) -> tuple[type, str]:
    """What it is about, wherever that is looked for: libssl of /lib/libssl.so.3, or a symbol."""
    if isinstance(asked, Dlsym):
        return Dlsym, asked.symbol
    return Dlopen, (asked.filename or "").rpartition("/")[2].partition(".so")[0]


def _only_asks(asked: Dlopen | Dlsym) -> bool:
    return isinstance(asked, Dlopen) and bool(asked.flags & RTLD_NOLOAD)


def _reason(span: Span, asked: Dlopen | Dlsym) -> str:
    told = error_of(span, asked)
    if told is not None and told.text:
        return told.text
    library = library_of(span, asked) if isinstance(asked, Dlsym) else ""
    return f"looked for in {library}" if library else ""
