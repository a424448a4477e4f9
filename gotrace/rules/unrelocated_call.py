"""GT302: a function was called that a lazily opened library lacks, through a slot that musl left unrelocated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Dlopen, Fact
from gotrace.rules import crashed, evidence, libcs, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import binary, files, name_of
from gotrace.trace.crash import Crash, crashes
from gotrace.trace.model import Trace

_NOW: Final = 2


class UnrelocatedCall(Rule):
    """A library called a function that nothing defines, through a slot which its loader had not relocated.

    What it detects
    ---------------
    A program ended by a fault at a small address at which nothing is mapped, and a library that is loaded has this very
    number in the slot of a function of another library (.got.plt), as the linker left it. The file tells which
    function that is.

    Why it happens
    --------------
    musl looks up all functions when it loads a library. With RTLD_LAZY it puts off those that nothing defines yet, and
    leaves their slots alone: they hold an offset of the file. glibc relocates such slots, so that the first call looks
    the function up, and says `symbol lookup error`. What lacks functions under musl is mostly a library that was built
    for glibc: __sprintf_chk and the like come from _FORTIFY_SOURCE, which distributions turn on.

    How to fix it
    -------------
    Take a build of the library for musl. Open libraries with RTLD_NOW: then dlopen(3) returns NULL instead, and
    dlerror(3) names the function (`Error relocating libfoo.so: __sprintf_chk: symbol not found`).

    References
    ----------
    - https://wiki.musl-libc.org/functional-differences-from-glibc.html (Lazy bindings)
    - dlopen(3)
    """

    code = "GT302"
    name = "unrelocated-call"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.SIGNALS, Facet.LIBRARIES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such crash."""
        for crash in crashes(trace):
            held = next(iter(crashed.unrelocated(trace, crash, "plt")), None)
            if held is not None and _called_by_itself(crash, held) and _leaves_slots(trace, crash):
                yield self._finding(trace, crash, held)
        unseen_files.must_be_none(trace)

    def _finding(self, trace: Trace, crash: Crash, held: Fact) -> Finding:
        path, span = held.subject, crash.span
        opened = crashed.opened_by(crash, path)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=_message(trace, crash, held, opened),
            span=span,
            evidence=evidence.of(opened, crashed.mapped(crash, path), crash.signal, span.exit),
            fix=list(_fixes(trace, crash, held)),
            explains=frozenset({steps.span_key(span)}),
        )


def _called_by_itself(crash: Crash, held: Fact) -> bool:
    """The address was called, as far as it is known by code of that very file: many files have such a number."""
    caller = crashed.caller(crash)
    return crash.signal.ip == held.data.get("address") and (caller is None or caller.module == held.subject)


def _leaves_slots(trace: Trace, crash: Crash) -> bool:
    """glibc relocates the slots of functions that it has not looked up."""
    return libcs.of_process(files(trace, crash.span)) != "glibc"


def _message(trace: Trace, crash: Crash, held: Fact, opened: Dlopen | None) -> str:
    known = files(trace, crash.span)
    library, symbol = name_of(held.subject), str(held.data.get("symbol") or "a function")
    has, wants = libcs.of_process(known), libcs.of_file(binary(trace, crash.span.process, held.subject))
    reason = "nothing that is loaded defines it"
    if wants and has and wants != has:
        reason = f"{library} was built for {wants}, and this program runs with {libcs.named(known)}, which lacks it"
    lazily = "the loader put the look-up off"
    if opened is not None and not opened.flags & _NOW:
        by = crashed.function(opened.caller)
        lazily = f"opened with RTLD_LAZY{f' by {by}' if by else ''}, it was loaded all the same"
    return (
        f"{library} called {symbol} at {crash.signal.ip:#x}, an address that was never relocated: {reason}; {lazily}."
    )


def _fixes(trace: Trace, crash: Crash, held: Fact) -> Iterator[Fix]:
    known = files(trace, crash.span)
    library, symbol = name_of(held.subject), str(held.data.get("symbol") or "the function")
    has, wants = libcs.of_process(known), libcs.of_file(binary(trace, crash.span.process, held.subject))
    if wants and has and wants != has:
        yield Fix(
            f"Build {library} for {has} ({libcs.compiler(has)} -shared -fPIC), or take a build of it for a "
            f"distribution with {has}."
        )
    else:
        yield Fix(f"Link {library} with the library that defines {symbol}.")
    yield Fix(
        "Open it with RTLD_NOW instead of RTLD_LAZY, and check the answer: dlopen then returns NULL, and dlerror() "
        "names the function."
    )
    yield Fix(f"See what else {library} needs of other libraries.", ("nm", "-D", "--undefined-only", held.subject))
