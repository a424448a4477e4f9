"""The card of a crash."""

from __future__ import annotations

from gotrace.events.model import Dlopen, Dlsym, Exec, Exit, Frame, KnownEvent, Library, Output, Signal
from gotrace.events.recording import Header
from gotrace.reports.terminal import TerminalReport
from gotrace.rules.finding import Diagnosis
from gotrace.trace.builder import build

STACK = (
    Frame(ip=0),
    Frame(ip=0x401208, module="/src/app", address=0x401208, symbol="call_it", distance=8, origin="c"),
    Frame(ip=0x401500, module="/src/app", address=0x401500, symbol="runtime.asmcgocall", distance=99, origin="go"),
    Frame(
        ip=0x401900,
        module="/src/app",
        address=0x401900,
        symbol="main.main",
        distance=0x20,
        origin="go",
        file="/src/cmd/main.go",
        line=27,
    ),
    Frame(ip=0x7F0000001000, module="/lib/x86_64-linux-gnu/libc.so.6", address=0x27305, origin="libc"),
)
EVENTS: list[KnownEvent] = [
    Exec(ts_ns=1, pid=7, path="/src/app", argv=("./app",), env={}, cwd="/src"),
    Library(ts_ns=2, pid=7, path="/src/app", base=0x400000, size=0x100000),
    Dlopen(ts_ns=10_000_000, pid=7, tid=8, filename="libssl.so.3", flags=1, handle=0x24010070),
    Dlsym(ts_ns=11_500_000, pid=7, tid=8, symbol="SSL_library_init", handle=0x24010070, address=0),
    Signal(ts_ns=12_000_000, pid=7, tid=8, signal=11, code=1, access="execute", handled=True, stack=STACK),
    Output(ts_ns=13_000_000, pid=7, text="SIGSEGV: segmentation violation\n"),
    Exit(ts_ns=14_000_000, pid=7, status=2),
]


def test_the_card_of_a_call_through_null() -> None:
    trace = build(Header(argv=("./app",), observes=("execs", "signals", "dl_calls")), EVENTS)
    text = TerminalReport(width=100).render(trace, Diagnosis())
    start = text.index("  crash")
    assert text[start:].splitlines()[:8] == [
        "  crash     SIGSEGV (SEGV_MAPERR, execute at NULL), thread 8, pid 7: a function was called through a",
        "            NULL pointer",
        "  stack     0x0, where nothing is mapped",
        "            call_it+0x8 (app), C",
        "            runtime.asmcgocall+0x63 (app), Go",
        "            main.main+0x20 (app), Go main.go:27",
        "            libc.so.6+0x27305",
        '  before    2.0 ms  dlopen("libssl.so.3", RTLD_LAZY) = 0x24010070',
    ]
    assert '            0.5 ms  dlsym(0x24010070, "SSL_library_init") = NULL\n' in text
