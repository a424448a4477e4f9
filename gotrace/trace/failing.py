"""Failing system calls of a running program, put together and ranked: what a person should look at first.

A healthy program has failing calls all the time: loaders and resolvers try one place after the other. So what ranks
high is a refusal (EPERM, EACCES, ENOSYS ...), an exhausted resource, and what a thread did last before the end; what
ranks low is a look-up that succeeded elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Frame, SyscallError
from gotrace.trace.model import Span, Trace

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


@dataclass(slots=True)
class FailingCalls:
    """Calls of one kind, from one place in one program, with one error (and one path)."""

    first: SyscallError
    span: Span
    relevance: Relevance
    count: int = 0
    last_ns: int = 0
    tids: set[int] = field(default_factory=set)

    @property
    def rate(self) -> float:
        """Calls a second between the first and the last one; 0 for a single moment."""
        lasted = (self.last_ns - self.first.ts_ns) / 1e9
        return self.count / lasted if lasted > 0.001 else 0.0

    @property
    def origin(self) -> Frame | None:
        """The innermost frame that is not libc's own: who asked."""
        stack = self.first.stack
        return next((one for one in stack if one.origin not in ("libc", "")), stack[0] if stack else None)


def is_harmless(call: SyscallError) -> bool:
    """A call that Go's runtime or a C library makes in every healthy program on some kernels, whatever comes of it."""
    if (call.syscall, call.errno) in _HARMLESS:
        return True
    if call.syscall == "prctl":
        return call.args[:1] == (_PR_SET_VMA,)
    return bool(call.paths) and call.errno in _SEARCHED and any(part in call.paths[0] for part in _OPTIONAL)


def failing_calls(trace: Trace) -> list[FailingCalls]:
    """All of them, the most relevant first; of equals the latest, for what failed last is nearest to the end."""
    found: dict[object, FailingCalls] = {}
    for span in trace.spans:
        last = frozenset(map(id, _last_calls(span))) if span.failed else frozenset[int]()
        for call in span.errors:
            what = call.args[:1] if call.syscall == "prctl" else ()
            key = (id(span), call.syscall, what, call.errno, call.paths, call.ip)
            group = found.get(key)
            if group is None:
                group = found[key] = FailingCalls(call, span, _relevance(call, of_last=id(call) in last))
            elif id(call) in last:
                group.relevance = max(group.relevance, Relevance.LAST)
            group.count += call.repeat
            group.last_ns = call.ts_ns
            group.tids.add(call.tid)
    return sorted(found.values(), key=lambda group: (-group.relevance, -group.last_ns))


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
