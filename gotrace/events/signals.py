"""Names of Linux signals on x86-64, whatever the machine that reads the recording.

Numbers: arch/x86/include/uapi/asm/signal.h of Linux 6.1, taken in November 2026.
"""

from __future__ import annotations

SIGNALS: dict[int, str] = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    16: "SIGSTKFLT",
    17: "SIGCHLD",
    18: "SIGCONT",
    19: "SIGSTOP",
    20: "SIGTSTP",
    21: "SIGTTIN",
    22: "SIGTTOU",
    23: "SIGURG",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    26: "SIGVTALRM",
    27: "SIGPROF",
    28: "SIGWINCH",
    29: "SIGIO",
    30: "SIGPWR",
    31: "SIGSYS",
}
"""Number to name, without the real-time signals."""

SIGRTMIN = 32
"""The first real-time signal as the kernel counts (a C library keeps the first two or three for itself)."""


def signal_name(number: int) -> str:
    """`SIGKILL` for 9, `SIGRT_2` for the third real-time signal, the number itself for what is no signal."""
    if number in SIGNALS:
        return SIGNALS[number]
    if SIGRTMIN <= number <= 64:
        return f"SIGRT_{number - SIGRTMIN}"
    return str(number)
