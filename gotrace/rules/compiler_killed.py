"""GT113: a compiler, an assembler or a linker that was killed, or that had no memory left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.events.signals import SIGNALS
from gotrace.events.tools import Role
from gotrace.rules import errno_texts, evidence, fixes, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Evidence, Finding, Fix, Severity
from gotrace.trace.model import Build, Span, Trace

_TOOLS = frozenset(
    {Role.COMPILE, Role.ASM, Role.CGO, Role.LINK, Role.PACK, Role.VET}
    | {Role.CC, Role.CC1, Role.AS, Role.COLLECT2, Role.LD}
)
_WISHES = frozenset({"SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"})
"""By which somebody ends a build, or a pipe behind it."""
_ALLOCATING = frozenset({"mmap", "mmap2", "mremap"})
"""brk(2) does not fail: it returns what there was, and malloc(3) turns to mmap(2)."""
_NO_MEMORY = re.compile(
    r"virtual memory exhausted|[Oo]ut of memory|memory exhausted|[Cc]annot allocate memory|std::bad_alloc"
    r"|failed to create new OS thread"
)
_WHY = {
    "SIGKILL": "somebody else did that, mostly the kernel because memory ran out",
    "SIGXCPU": "the limit on CPU time was reached (ulimit -t)",
    "SIGXFSZ": "the limit on the size of files was reached (ulimit -f)",
    "SIGSEGV": "it crashed, by a defect of its own, or because its stack ran into a limit (ulimit -s)",
    "SIGBUS": "it crashed: a file that it had mapped was cut, or there was no room for it on its disk",
    "SIGILL": "it has instructions that this processor does not know",
    "SIGABRT": "it gave up on an error of its own",
    "SIGSYS": "a seccomp filter does not allow a system call that it made",
}
_OF_MEMORY = frozenset({"SIGKILL"})


class CompilerKilled(Rule):
    """A tool of the build was killed by a signal, or got no more memory.

    What it detects
    ---------------
    The exit of a compiler, an assembler or a linker says that a signal ended it, and the step it belongs to failed. Or
    it ended with an error after the kernel had refused it memory (mmap: ENOMEM), or with a word that says so. Signals
    by which somebody ends a whole build (^C, SIGTERM) are no finding. Where failing calls without a path are not
    observed (ptrace), want of memory is told by the tool's words alone, with less confidence: in English, or by the
    system's text for ENOMEM in the tool's language. ld's own `memory exhausted` is known in English only.

    Why it happens
    --------------
    When memory runs out, the kernel kills the process that takes most of it by SIGKILL, and that is the compiler
    (cc1plus, compile) or the linker. Containers and small virtual machines have few hundred megabytes, and go starts as
    many compilers at a time as there are processors. The message is only `signal: killed`. Limits of the shell
    (ulimit -v) make a tool fail by itself: `virtual memory exhausted`.

    How to fix it
    -------------
    Give the build more memory (the container's limit, swap, `ulimit -v unlimited`), or have fewer tools run at a time:
    `env GOFLAGS=-p=1 go build`. `dmesg | grep -i oom` shows whether it was the kernel. A single package that is too
    large for the machine is only helped by memory.

    References
    ----------
    - https://go.dev/issue/15537, https://go.dev/issue/43726, https://github.com/beego/wetalk/issues/32
    - signal(7), setrlimit(2), Documentation/admin-guide/mm/concepts.rst ("OOM killer") of Linux
    """

    code = "GT113"
    name = "compiler-killed"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each signal that killed tools of a go command, and one for want of memory."""
        for build in trace.builds:
            if not build.failed or _somebody_wished_it(trace, build):
                continue
            found: dict[str, Finding] = {}
            for span in build.spans:
                if span.role not in _TOOLS or not (steps.broke_the_build(span) or _spoiled_an_answer(span)):
                    continue
                finding = self._killed(trace, build, span) or self._without_memory(trace, build, span)
                if finding is None:
                    continue
                first = found.setdefault(_signal(span), finding)
                first.explains |= finding.explains
            yield from found.values()

    def _killed(self, trace: Trace, build: Build, span: Span) -> Finding | None:
        signal = _signal(span)
        if not signal or signal in _WISHES:
            return None
        why = _WHY.get(signal)
        message = f"{_called(span)} was killed by {signal}{f': {why}' if why else ''}."
        ways_out = _more_memory(trace, build) if signal in _OF_MEMORY else [Fix(_other_way_out(span, signal))]
        return self._finding(span, message, evidence.of(span.exec, span.exit, build.span.exit), ways_out, 1.0)

    def _without_memory(self, trace: Trace, build: Build, span: Span) -> Finding | None:
        calls = _refused_memory(span)
        words = evidence.said(span, _NO_MEMORY) or errno_texts.said(trace, span, "ENOMEM")
        if not calls and (words is None or Facet.ALL_FAILURES in trace.observes):
            return None
        proof = evidence.of(*evidence.sample(calls, 2), evidence.quoted(words), span.exit)
        message = f"{_called(span)} got no more memory: the kernel refused it."
        confidence = 1.0 if calls and words is not None else 0.8
        return self._finding(span, message, proof, _more_memory(trace, build), confidence)

    def _finding(
        self, span: Span, message: str, proof: list[Evidence], ways_out: list[Fix], confidence: float
    ) -> Finding:
        package = steps.package(span)
        of_package = f" (package {package})" if package else ""
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{message.removesuffix('.')}{of_package}.",
            span=span,
            evidence=proof,
            fix=ways_out,
            confidence=confidence,
            explains=steps.driver_keys(span) | {steps.span_key(one) for one in span.ancestors() if one.failed},
        )


def _spoiled_an_answer(span: Span) -> bool:
    """It ran for a question of cgo, and cgo failed. Such a compile may end with an error, but not like this."""
    asker = next((above for above in span.ancestors() if above.role is Role.CGO), None)
    return span.probe and span.failed and asker is not None and steps.broke_the_build(asker)


def _somebody_wished_it(trace: Trace, build: Build) -> bool:
    ends = [build.span.exit, trace.root.exit if trace.root is not None else None]
    return any(end is not None and SIGNALS.get(end.signal or 0) in _WISHES for end in ends)


def _signal(span: Span) -> str:
    number = span.exit.signal if span.exit is not None else None
    return "" if number is None else SIGNALS.get(number, f"signal {number}")


def _refused_memory(span: Span) -> list[SyscallError]:
    """ENOMEM among the last failing calls: a tool that was refused memory and still went on did not need it."""
    last = span.errors[-8:]
    return [call for call in last if call.syscall in _ALLOCATING and errno_name(call.errno) == "ENOMEM"]


def _called(span: Span) -> str:
    kinds = {Role.LINK: "The linker", Role.LD: "The linker", Role.COLLECT2: "The linker", Role.AS: "The assembler"}
    return f"{kinds.get(span.role, 'The compiler')} {span.exec.path}"


def _more_memory(trace: Trace, build: Build) -> list[Fix]:
    flags = build.env.get("GOFLAGS", "")
    ways_out = []
    if "-p=1" not in flags.split() and "-p" not in build.flags:
        text = "Have one tool run at a time, so that it has all the memory."
        ways_out.append(fixes.corrected(trace, build, {"GOFLAGS": f"{flags} -p=1".strip()}, text))
    return [*ways_out, Fix("Or give the build more memory: the container's limit, swap, ulimit -v unlimited.")]


def _other_way_out(span: Span, signal: str) -> str:
    name = span.exec.path.rpartition("/")[2]
    ways_out = {
        "SIGXCPU": "Raise the limit on CPU time: ulimit -t unlimited.",
        "SIGXFSZ": "Raise the limit on the size of files: ulimit -f unlimited.",
        "SIGSEGV": f"Raise the limit on the stack (ulimit -s unlimited), or try another version of {name}.",
        "SIGSYS": "Allow that system call in the container's seccomp profile.",
        "SIGILL": f"Use a {name} that was built for this processor.",
    }
    return ways_out.get(signal, f"Try another version of {name}.")
