"""A trace and a diagnosis put together by hand: an arm64 build of a cgo program with the host's gcc."""

from __future__ import annotations

from gotrace.events.model import Exec, Exit, Fact, Lost, Output
from gotrace.events.recording import Header
from gotrace.events.tools import Role
from gotrace.rules.finding import Diagnosis, Evidence, Finding, Fix, NotEvaluated, Severity
from gotrace.rules.steps import span_key
from gotrace.trace.model import Build, BuildTarget, Process, Span, Trace

S = 1_000_000_000


def span(
    argv: tuple[str, ...],
    role: Role,
    pid: int,
    *,
    start: float,
    end: float,
    status: int = 0,
    package: str | None = None,
    parent: Span | None = None,
) -> Span:
    """One process with one image, in seconds after the start."""
    process = Process(pid, int(start * S), parent=parent.process if parent else None, end_ns=int(end * S))
    process.exit = Exit(ts_ns=int(end * S), pid=pid, status=status)
    image = Exec(ts_ns=int(start * S), pid=pid, path=argv[0], argv=argv, cwd="/home/ada/hello")
    one = Span(process, image, role, int(start * S), int(end * S), process.exit, package, parent)
    process.spans.append(one)
    if parent is not None:
        parent.children.append(one)
    return one


def trace(*, failed: bool) -> Trace:
    """go build with one compile, one gcc with its cc1 and, where it succeeded, a link."""
    status = 1 if failed else 0
    argv = ("go", "build", "-o", "hello", ".")
    go = span(("/usr/local/go/bin/go", *argv[1:]), Role.GO, 100, start=0, end=3.25, status=status)
    tools = "/usr/local/go/pkg/tool/linux_amd64"
    compile_runtime = span(
        (f"{tools}/compile", "-p", "runtime"), Role.COMPILE, 101, start=0.5, end=2.5, package="runtime", parent=go
    )
    gcc_argv = ("/usr/bin/gcc", "-I", "/tmp/go-build1/b001/", "-fPIC", "-pthread", "-c", "runtime/cgo/gcc_arm64.S")
    gcc = span(gcc_argv, Role.CC, 102, start=2.5, end=3.0, status=status, package="runtime/cgo", parent=go)
    assembler = span(("as", "--64"), Role.AS, 103, start=2.6, end=2.9, status=status, parent=gcc)
    spans = [go, compile_runtime, gcc, assembler]
    if failed:
        said = "gcc_arm64.S: Assembler messages:\ngcc_arm64.S:30: Error: no such instruction: `stp x29,x30'\n"
        assembler.output.append(Output(ts_ns=int(2.8 * S), pid=103, text=said))
    else:
        spans.append(span((f"{tools}/link",), Role.LINK, 104, start=3.0, end=3.2, parent=go))
    host = {"machine": "x86_64", "kernel": "6.1.0", "distribution": "debian", "distribution_version": "12", "libc": ""}
    made = Trace(Header(version="0.1.0", argv=argv, cwd="/home/ada/hello", source="ebpf", host=host), events=4321)
    made.spans = spans
    made.processes = [one.process for one in spans]
    made.root = go.process
    data = {"pid": 100, "exit": status, "signal": None, "seconds": 3.25, "user": "ada"}
    made.facts = [Fact(ts_ns=4 * S, pid=100, name="command", data=data)]
    made.builds = [Build(go, "build", ("-o", "hello"), (".",), BuildTarget(), spans=spans[1:])]
    return made


def wrong_compiler(of: Trace) -> Diagnosis:
    """The root cause with a consequence, and one rule that could not be decided."""
    gcc, assembler = of.spans[2], of.spans[3]
    consequence = Finding(
        "GT208",
        "assembler-rejects",
        Severity.ERROR,
        "as rejected the instructions of gcc_arm64.S.",
        assembler,
        [Evidence(3 * S, 103, "+++ exited with 1 +++", "exit")],
        [],
    )
    finding = Finding(
        "GT101",
        "wrong-target-compiler",
        Severity.ERROR,
        "gcc builds for x86_64-linux-gnu, but this build is for linux/arm64.",
        gcc,
        [
            Evidence(
                int(2.5 * S), 102, 'execve("/usr/bin/gcc", ["gcc", "-I", "/tmp/go-build1/b001/", ...]) = 0', "exec"
            ),
            Evidence(
                3 * S,
                103,
                'write(2, "gcc_arm64.S: Assembler messages:\\nError: no such instruction: `stp x29,x30\'", 78)',
                "output",
            ),
        ],
        [
            Fix(
                "Use the compiler for arm64:",
                ("CC=aarch64-linux-gnu-gcc", "CGO_ENABLED=1", "go", "build", "-ldflags=-s -w", "-o", "hello", "."),
            ),
            Fix("Build without cgo, if the program can do without it."),
        ],
        explains=frozenset({span_key(gcc), span_key(assembler)}),
        consequences=[consequence],
    )
    undecided = NotEvaluated("GT107", "cgo-disabled", "the capture did not observe what the tools say about themselves")
    return Diagnosis([finding], [undecided])


def with_losses(of: Trace) -> Trace:
    """The same trace from a capture that could not see or keep everything."""
    of.lost.append(Lost(ts_ns=S, pid=0, what="syscall_error", count=12, reason="the ring buffer was full"))
    of.lost.append(Lost(ts_ns=S, pid=0, what="exec", count=3, reason="a program was missed", exact=False))
    of.header.degraded = ("32-bit system calls are not seen: the kernel has no such tracepoint",)
    of.damage = "it ends in the middle of line 4322"
    return of
