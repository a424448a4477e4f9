"""What a running program does, in strace's notation, and calls of the loader in ltrace's.

Sources: signal(7) and sigaction(2) for si_code; <dlfcn.h> of glibc 2.36 and musl 1.2.3, which agree on the flags.
"""

from __future__ import annotations

from typing import Final

from gotrace.events.model import ClockReads, Dlerror, Dlopen, Dlsym, Event, Frame, Library, Signal
from gotrace.events.quotes import quote
from gotrace.events.signals import signal_name

SIGNAL_TRAMPOLINE: Final = "__restore_rt"
"""To where signal handlers return: its name in all C libraries, whose symbol tables seldom have it."""
RTLD_NOLOAD: Final = 0x4
"""A flag of dlopen: it loads nothing, and returns NULL without an error where the library is not there already."""
_MODES: Final = {0: "0", 1: "RTLD_LAZY", 2: "RTLD_NOW", 3: "RTLD_LAZY|RTLD_NOW"}
_DLOPEN_FLAGS: Final = (
    (RTLD_NOLOAD, "RTLD_NOLOAD"), (0x8, "RTLD_DEEPBIND"), (0x100, "RTLD_GLOBAL"), (0x1000, "RTLD_NODELETE"),
)  # fmt: skip
RTLD_DEFAULT: Final = 0
RTLD_NEXT: Final = 2**64 - 1

_SI_USER_CODES: Final = {
    0: "SI_USER", -1: "SI_QUEUE", -2: "SI_TIMER", -3: "SI_MESGQ", -4: "SI_ASYNCIO", -5: "SI_SIGIO", -6: "SI_TKILL",
    0x80: "SI_KERNEL",
}  # fmt: skip
_CODES: Final = {
    4: ("ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG", "ILL_COPROC", "ILL_BADSTK"),
    5: ("TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK"),
    7: ("BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"),
    8: ("FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB"),
    11: ("SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"),
    31: ("SYS_SECCOMP", "SYS_USER_DISPATCH"),
}
_FAULTS: Final = frozenset({4, 5, 7, 8, 11})
"""Signals whose si_addr is the address of a fault."""


def code_name(signal: int, code: int) -> str:
    """SEGV_MAPERR for (11, 1), SI_USER for (6, 0), the number itself for what has no name."""
    if code in _SI_USER_CODES:
        return _SI_USER_CODES[code]
    names = _CODES.get(signal, ())
    return names[code - 1] if 0 < code <= len(names) else str(code)


def render(event: Event) -> str:
    """One line for one event of these kinds; another kind is named only."""
    match event:
        case Signal():
            return signal(event)
        case Dlopen():
            return dlopen(event)
        case Dlsym():
            return dlsym(event)
        case Dlerror():
            return dlerror(event)
        case Library():
            return library(event)
        case ClockReads():
            return clock_reads(event)
        case _:
            return f"/* {type(event).__name__} */"


def signal(event: Signal) -> str:
    """`--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---`."""
    name = signal_name(event.signal)
    told = [f"si_signo={name}", f"si_code={code_name(event.signal, event.code)}"]
    if event.code <= 0:
        told += [f"si_pid={event.sender}"] if event.sender else []
    elif event.signal in _FAULTS:
        told.append(f"si_addr={pointer(event.address)}")
    return f"--- {name} {{{', '.join(told)}}} ---"


def dlopen(event: Dlopen) -> str:
    """`dlopen("libssl.so.3", RTLD_LAZY) = 0x24010070`."""
    name = "NULL" if event.filename is None else quote(event.filename)
    words = [name, dlopen_flags(event.flags)]
    if event.namespace is not None:
        words.insert(0, {0: "LM_ID_BASE", -1: "LM_ID_NEWLM"}.get(event.namespace, str(event.namespace)))
    return f"{'dlopen' if event.namespace is None else 'dlmopen'}({', '.join(words)}) = {pointer(event.handle)}"


def dlsym(event: Dlsym) -> str:
    """`dlsym(0x24010070, "SSL_library_init") = NULL`."""
    handle = {RTLD_DEFAULT: "RTLD_DEFAULT", RTLD_NEXT: "RTLD_NEXT"}.get(event.handle, hex(event.handle))
    words = [handle, quote(event.symbol), *([quote(event.version)] if event.version else [])]
    return f"{'dlvsym' if event.version else 'dlsym'}({', '.join(words)}) = {pointer(event.address)}"


def dlerror(event: Dlerror) -> str:
    """`dlerror() = "libfoo.so: cannot open shared object file: No such file or directory"`, or `dlerror() = NULL`."""
    return f"dlerror() = {'NULL' if event.text is None else quote(event.text)}"


def library(event: Library) -> str:
    """`mmap(..., 4096, PROT_READ|PROT_EXEC, ..., "/lib/libssl.so.3", 0x1000) = 0x7f2a00001000`."""
    offset = hex(event.offset) if event.offset else "0"
    return f"mmap(..., {event.size}, PROT_EXEC, ..., {quote(event.path)}, {offset}) = {hex(event.base)}"


def clock_reads(event: ClockReads) -> str:
    """`clock_gettime(...) /* 40021 times in 0.01 s, by time.now+0x6f (app) */`."""
    seconds = (event.ts_ns - event.began_ns) / 1e9
    whose = frame(event.place) if event.place is not None else pointer(event.ip)
    return f"{event.syscall}(...) /* {event.count} times in {seconds:.2f} s, by {whose} */"


def dlopen_flags(flags: int) -> str:
    """`RTLD_NOW|RTLD_GLOBAL` for 0x102."""
    names, rest = [_MODES[flags & 3]], flags & ~3
    for bit, name in _DLOPEN_FLAGS:
        if rest & bit:
            names.append(name)
            rest &= ~bit
    return "|".join([*names, *([hex(rest)] if rest else [])])


def frame(one: Frame) -> str:
    """`SSL_CTX_new+0x1c (libssl.so.3)`; the address where nothing is known of it."""
    module = one.module.rpartition("/")[2]
    if one.symbol:
        return f"{one.symbol}{f'+{one.distance:#x}' if one.distance else ''}{f' ({module})' if module else ''}"
    return f"{module}+{one.address:#x}" if module else pointer(one.ip)


def source_line(one: Frame) -> str:
    """`main.go:27`; empty where it is not known."""
    return f"{one.file.rpartition('/')[2]}:{one.line}" if one.file else ""


def pointer(value: int) -> str:
    """NULL for 0, as strace has it."""
    return hex(value) if value else "NULL"
