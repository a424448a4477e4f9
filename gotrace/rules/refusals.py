"""Who refused a system call: a filter, the kernel for want of a capability, by a switch, without the call; a module."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gotrace.events.errno import errno_name, errno_numbers
from gotrace.events.model import Fact, Signal, SyscallError
from gotrace.rules import capabilities, last_calls, security_modules, survived
from gotrace.rules.last_calls import Ending
from gotrace.rules.security_modules import Module
from gotrace.trace.model import Span, Trace

_REFUSALS: Final = errno_numbers("EPERM", "EACCES", "ENOSYS")
_SAID: Final = re.compile(
    r"epollcreate failed|netpollinit failed|pthread_create failed: (?:Operation not permitted|Function not implemented)"
    r"|failed to create new OS thread .*errno=(?:1|38)\)"
)


class By(StrEnum):
    """Who."""

    SECCOMP = "a seccomp filter"
    KERNEL = "this kernel, which does not have it"
    CAPABILITY = "the kernel, for want of a capability"
    SWITCH = "the kernel, by a switch"
    MODULE = "a security module of the kernel"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One call that was refused, and that a program ended by."""

    ending: Ending
    by: By
    sure: float
    capability: str = ""
    tried: Fact | None = None
    """The same call by gotrace."""
    module: Module | None = None
    """The security module that refused it."""
    allowed: Fact | None = None
    """That the permissions of its file allow it."""

    @property
    def call(self) -> SyscallError:
        """The first of these calls; the last one, where it is about a path."""
        return self.ending.call

    @property
    def fault(self) -> Signal | None:
        """The signal that it came to, if the program crashed of it."""
        return self.ending.crash.signal if self.ending.crash is not None else None

    @property
    def error(self) -> str:
        """The error's name."""
        return errno_name(self.call.errno)

    @property
    def consequence(self) -> str:
        """What came of it."""
        crash = self.ending.crash
        if crash is None:
            return survived.consequence(self.ending.later_ns, at_once=self.ending.at_once)
        if self.ending.words is not None:
            return f"{crash.meaning}"
        return f"it went on as if the call had worked, until {crash.meaning}"


def refusals(trace: Trace) -> list[Refusal]:
    """All that programs ended by.

    What a security module refused counts as well where the program ended a little later: that it is refused what its
    permissions allow is remarkable by itself.
    """
    return trace.once("refusals", lambda: list(_of(trace)))


def _of(trace: Trace) -> Iterator[Refusal]:
    for ending in last_calls.endings(trace, _REFUSALS, _SAID, later=True):
        refusal = _attributed(trace, ending)
        if ending.at_once or refusal.by is By.MODULE:
            yield refusal


def refused_by(trace: Trace, *who: By) -> list[Refusal]:
    """Those for which one of these stands."""
    return [refusal for refusal in refusals(trace) if refusal.by in who]


def without_privilege(span: Span) -> Span | None:
    """The program of these two, this one or the nearest above, that lost the privilege of its file as it was traced."""
    return next((one for one in (span, *span.ancestors()) if one.exec.suppressed), None)


def since(syscall: str) -> str:
    """The kernel that brought a call, "5.1"; empty where unknown."""
    return str(_data()["since"].get(syscall, ""))


def of_glibc(syscall: str) -> Mapping[str, str]:
    """Which glibc began to make a call by itself (`version`), and what for (`use`); empty for none."""
    return dict(_data()["glibc"].get(syscall, {}))


def _attributed(trace: Trace, ending: Ending) -> Refusal:
    call, span = ending.call, ending.span
    tried = next((fact for fact in trace.facts_of("kernel_call") if fact.subject == call.syscall), None)
    if errno_name(call.errno) == "ENOSYS":
        by, sure = _of_nothing(trace, span, tried)
        return Refusal(ending, by, min(sure, ending.sure), tried=tried)
    by, sure = _of_a_filter(trace, span, call, tried)
    if by is By.SECCOMP:
        return Refusal(ending, by, min(sure, ending.sure), tried=tried)
    last = _last_alike(ending)
    of_module = security_modules.refuses(trace, span, last, tried)
    if of_module is not None:
        (module, allowed), ending = of_module, replace(ending, call=last)
        return Refusal(ending, By.MODULE, min(module.sure, ending.sure), tried=tried, module=module, allowed=allowed)
    needed = capabilities.needed(call)
    held = capabilities.held(last_calls.trusted(trace, span))
    if needed and held is not None and not any(name in held for name in needed):
        return Refusal(ending, By.CAPABILITY, ending.sure, needed[0], tried)
    return Refusal(ending, by, min(sure, ending.sure), tried=tried)


def _last_alike(ending: Ending) -> SyscallError:
    """Of calls with a path each may be refused for another reason: the last one is what the program ended by."""
    crash, alike = ending.crash, last_calls.alike(ending.span, ending.call)
    return ([one for one in alike if crash is None or one.ts_ns <= crash.signal.ts_ns] or alike)[-1]


def _of_nothing(trace: Trace, span: Span, tried: Fact | None) -> tuple[By, float]:
    """Who said ENOSYS."""
    if tried is None:
        # No call that is known by name: nobody but a filter could say so of one that the kernel has.
        return (By.UNKNOWN, 0.0) if last_calls.filtered(trace, span.process.pid) else (By.KERNEL, last_calls.LIKELY)
    answer, listed, ours = tried.data.get("answer"), tried.data.get("listed"), bool(tried.data.get("filtered"))
    if listed is False or (answer == "ENOSYS" and not ours):
        return By.KERNEL, last_calls.CERTAIN
    if listed or (answer and answer != "ENOSYS"):
        return By.SECCOMP, last_calls.CERTAIN
    return By.UNKNOWN, 0.0


def _of_a_filter(trace: Trace, span: Span, call: SyscallError, tried: Fact | None) -> tuple[By, float]:
    """Whether it was a filter that said EPERM or EACCES; or a switch."""
    answer = str(tried.data.get("answer", "")) if tried is not None else ""
    ours = tried is not None and bool(tried.data.get("filtered"))
    if answer == errno_name(call.errno) and not ours and tried is not None and tried.data.get("switch"):
        return By.SWITCH, last_calls.LIKELY
    if answer in (errno_name(call.errno), "killed"):
        return (By.SECCOMP, last_calls.CERTAIN) if ours else (By.UNKNOWN, 0.0)
    if not answer:
        return By.UNKNOWN, 0.0
    if not capabilities.needed(call):
        return By.SECCOMP, last_calls.CERTAIN if last_calls.filtered(trace, span.process.pid) else last_calls.LIKELY
    held = capabilities.held(last_calls.trusted(trace, span))
    if held is not None and any(name in held for name in capabilities.needed(call)):
        return By.SECCOMP, last_calls.LIKELY
    return By.UNKNOWN, 0.0


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(files("gotrace.rules").joinpath("data/syscalls_since.toml").read_text(encoding="utf-8"))
