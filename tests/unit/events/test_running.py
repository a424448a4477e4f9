"""What a running program does, as findings show it."""

from __future__ import annotations

import pytest

from gotrace.events import running
from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Frame, Library, Signal
from gotrace.events.strace import render


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Dlopen(ts_ns=1, pid=2, filename="libssl.so.3", flags=1, handle=0x24010070),
            'dlopen("libssl.so.3", RTLD_LAZY) = 0x24010070',
        ),
        (Dlopen(ts_ns=1, pid=2, filename=None, flags=0x102, handle=16), "dlopen(NULL, RTLD_NOW|RTLD_GLOBAL) = 0x10"),
        (
            Dlopen(ts_ns=1, pid=2, filename="a\n", flags=0x20002, handle=0, namespace=-1),
            'dlmopen(LM_ID_NEWLM, "a\\n", RTLD_NOW|0x20000) = NULL',
        ),
        (
            Dlsym(ts_ns=1, pid=2, symbol="SSL_library_init", handle=0x24010070, address=0),
            'dlsym(0x24010070, "SSL_library_init") = NULL',
        ),
        (
            Dlsym(ts_ns=1, pid=2, symbol="memcpy", handle=2**64 - 1, address=4096, version="GLIBC_2.14"),
            'dlvsym(RTLD_NEXT, "memcpy", "GLIBC_2.14") = 0x1000',
        ),
        (Dlerror(ts_ns=1, pid=2, text="libx.so: no"), 'dlerror() = "libx.so: no"'),
        (Dlerror(ts_ns=1, pid=2, text=""), 'dlerror() = ""'),
        (Dlerror(ts_ns=1, pid=2, text=None), "dlerror() = NULL"),
        (
            ClockReads(
                ts_ns=2_510_000_000, pid=2, syscall="clock_gettime", count=40021, began_ns=10_000_000, ip=0x4711,
                place=Frame(ip=0x4711, module="/srv/app", symbol="time.now", distance=0x6F, origin="go"),
            ),
            "clock_gettime(...) /* 40021 times in 2.50 s, by time.now+0x6f (app) */",
        ),
        (
            ClockReads(ts_ns=1, pid=2, syscall="time", count=1, began_ns=1, ip=0x4711),
            "time(...) /* 1 times in 0.00 s, by 0x4711 */",
        ),
        (
            Library(ts_ns=1, pid=2, path="/lib/libx.so", base=0x7F0000001000, size=4096, offset=0x1000),
            'mmap(..., 4096, PROT_EXEC, ..., "/lib/libx.so", 0x1000) = 0x7f0000001000',
        ),
        (
            Signal(ts_ns=1, pid=2, signal=11, code=1, address=0),
            "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---",
        ),
        (
            Signal(ts_ns=1, pid=2, signal=6, code=-6, sender=2),
            "--- SIGABRT {si_signo=SIGABRT, si_code=SI_TKILL, si_pid=2} ---",
        ),
        (
            Signal(ts_ns=1, pid=2, signal=4, code=2, address=4096),
            "--- SIGILL {si_signo=SIGILL, si_code=ILL_ILLOPN, si_addr=0x1000} ---",
        ),
    ],
)  # fmt: skip
def test_notation(event: Event, text: str) -> None:
    assert render(event) == text


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (
            Frame(ip=7, module="/lib/libssl.so.3", address=4, symbol="SSL_new", distance=28),
            "SSL_new+0x1c (libssl.so.3)",
        ),
        (Frame(ip=7, module="/lib/libssl.so.3", address=4), "libssl.so.3+0x4"),
        (Frame(ip=0), "NULL"),
        (Frame(ip=0x1046), "0x1046"),
    ],
)
def test_frames(one: Frame, text: str) -> None:
    assert running.frame(one) == text
