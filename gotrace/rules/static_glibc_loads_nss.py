"""GT311: a static program looked up a name, for which glibc loaded libraries, and crashed in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import crashed, evidence, libcs, rebuild, second_libc, steps, unseen_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.loaded_files import Files, files, name_of
from gotrace.trace.crash import SIGABRT, Crash, crashes
from gotrace.trace.model import Trace

_OF_GO: Final = ("net.", "os/user.")
_TAGS: Final = "netgo,osusergo"


class StaticGlibcLoadsNss(Rule):
    """A static program with glibc looked up a host or a user, loaded a library for that, and crashed.

    What it detects
    ---------------
    A program with glibc inside ended by a signal, in a library for looking up names (libnss_*.so), in the second glibc
    that came with it, or in glibc's own code that loads them.

    Why it happens
    --------------
    glibc looks names up as /etc/nsswitch.conf says: `files` and `dns` are part of it since 2.34, for all others
    (systemd, hesiod, mdns4, sss ...) it loads a library, also in a static program. That library needs libc.so.6, which
    comes as a second libc into the process. One of another release ends the program at once
    (`_dl_call_libc_early_init: Assertion`); with one of the very same release the library may still crash, because
    nobody set up its thread-local variables.

    How to fix it
    -------------
    Have Go look the names up: `-tags netgo,osusergo`. If C code of the program calls getaddrinfo or getpwnam, link with
    musl (CC=musl-gcc), which has no such libraries, or link dynamically.

    References
    ----------
    - nsswitch.conf(5), https://sourceware.org/bugzilla/show_bug.cgi?id=19341
    - https://go.dev/issue/13470, https://go.dev/issue/30310, https://github.com/systemd/systemd/issues/11970
    """

    code = "GT311"
    name = "static-glibc-loads-nss"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.LIBRARIES, Facet.SIGNALS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each such crash."""
        for crash in crashes(trace):
            known = files(trace, crash.span)
            services = second_libc.name_services(crash.span)
            if services and libcs.is_static(known, "glibc") and second_libc.loaded_by_itself(trace, crash):
                yield self._finding(trace, known, crash, services[-1])
        unseen_files.must_be_none(trace)

    def _finding(self, trace: Trace, known: Files, crash: Crash, service: str) -> Finding:
        span = crash.span
        libc = libcs.libc(known)
        brought = (service, name_of(libc.subject) if libc is not None else "")
        came_in = [library for library in span.libraries if name_of(library.path) in brought]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=(
                f"{crashed.program(crash)} is static, with glibc inside. To look up a name{_for(crash)} it loaded "
                f"{second_libc.called(trace, span, service)} "
                f"and with it a second glibc ({second_libc.named(trace, span)}), {_how(crash)}."
            ),
            span=span,
            evidence=evidence.of(*came_in, crash.signal, span.exit),
            fix=list(_fixes(known, crash)),
            explains=frozenset({steps.span_key(span)}),
        )


def _for(crash: Crash) -> str:
    """The function of Go's library or of the program that asked."""
    frames = [frame.symbol for frame in crash.stack if frame.origin == "go" and not frame.symbol.startswith("runtime.")]
    own = next((symbol for symbol in frames if not symbol.startswith(_OF_GO) and "._C" not in symbol), "")
    return f" for {own}" if own else ""


def _how(crash: Crash) -> str:
    inner = crashed.function(crash.stack[0] if crash.stack else None)
    if crash.signal.signal == SIGABRT:
        return "which is not the release that is in the program: it aborted"
    return f"which was not set up for that: it crashed{f' in {inner}' if inner else ''}"


def _fixes(known: Files, crash: Crash) -> Iterator[Fix]:
    by_go = any(frame.symbol.startswith(_OF_GO) for frame in crash.stack if frame.origin == "go")
    program, again = known.program, None
    linked = rebuild.setting(program, "-ldflags")
    flags = ("-ldflags", linked) if linked else ()
    if program is not None and rebuild.uses_cgo(program):
        tags = ",".join(word for word in (rebuild.setting(program, "-tags"), _TAGS) if word)
        added = ("-tags", tags, *flags) if by_go else flags
        chosen = () if by_go else (f"CC={libcs.compiler('musl')}",)
        again = rebuild.again(program, "CGO_ENABLED=1", *chosen, flags=added)
    if by_go:
        yield Fix("Have Go look up hosts and users by itself, with the tags netgo and osusergo.", again)
    else:
        yield Fix("C code of the program asks: link it with musl, which loads no libraries for that.", again)
    yield Fix("Or link the program dynamically, without -static in the linker's flags.")
