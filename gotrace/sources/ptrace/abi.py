"""Numbers and structures of <linux/ptrace.h> that python-ptrace's binding does not have, for x86-64."""

from __future__ import annotations

import struct
from typing import Final

PTRACE_SEIZE: Final = 0x4206
PTRACE_INTERRUPT: Final = 0x4207
PTRACE_LISTEN: Final = 0x4208
PTRACE_GETSIGMASK: Final = 0x420A
PTRACE_SETSIGMASK: Final = 0x420B
PTRACE_GET_SYSCALL_INFO: Final = 0x420E
"""Since Linux 5.3."""

PTRACE_O_TRACESECCOMP: Final = 0x80
PTRACE_O_EXITKILL: Final = 0x100000

PTRACE_EVENT_CLONE: Final = 3
PTRACE_EVENT_EXEC: Final = 4
PTRACE_EVENT_SECCOMP: Final = 7
PTRACE_EVENT_STOP: Final = 128

SYSCALL_STOP: Final = 0x85
"""SIGTRAP | 0x80: how PTRACE_O_TRACESYSGOOD marks the stops of PTRACE_SYSCALL."""
STOP_SIGNALS: Final = frozenset({19, 20, 21, 22})
"""SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU: a PTRACE_EVENT_STOP with one of them is a group-stop (ptrace(2))."""

SYSCALL_INFO: Final = struct.Struct("<BBHIQQqB")
"""struct ptrace_syscall_info as far as an exit fills it: op, -, -, arch, ip, sp, rval, is_error."""
SYSCALL_INFO_BYTES: Final = 88
SYSCALL_INFO_ENTRY, SYSCALL_INFO_EXIT = 1, 2
SYSCALL_ARCHITECTURE: Final = {0xC000003E: 0, 0x40000003: 1}
"""`arch` there (AUDIT_ARCH_X86_64, AUDIT_ARCH_I386), and the position of that ABI in `gotrace.sources.ptrace.calls`."""

SIGNAL_CODE: Final = struct.Struct("<8xi")
"""siginfo_t as far as si_code: si_signo and si_errno stand before it."""
SIGNAL_NUMBER_AND_CODE: Final = struct.Struct("<i4xi")
"""The same with si_signo."""
SIGNAL_BYTES: Final = 128
FAULT: Final = struct.Struct("<8xi4xQ")
"""The same, and si_addr of a fault."""
SENDER: Final = struct.Struct("<16xi")
"""siginfo_t as far as si_pid of a signal that somebody sent."""
MASK_BYTES: Final = 8
ALL_SIGNALS: Final = (1 << 64) - 1
"""sigset_t as the kernel has it."""
SI_KERNEL, TRAP_TRACE = 0x80, 2
"""si_code of an int3, and of a single step (arch/x86/kernel/traps.c)."""
SENT: Final = frozenset({0, -1, -6})
"""si_code of a signal with a sender: SI_USER, SI_QUEUE, SI_TKILL."""
SIGTRAP: Final = 5
FATAL: Final = frozenset({4, SIGTRAP, 6, 7, 8, 11, 31})
"""SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: see `gotrace.events.facets.Facet.SIGNALS`."""

FIRST_RESTART, LAST_RESTART = 512, 530
"""Results by which the kernel tells itself to restart a call that a signal interrupted (include/linux/errno.h)."""

REGISTERS: Final = struct.Struct("<27Q")
"""struct user_regs_struct, in the order of <sys/user.h>."""
R10, R9, R8, RDX, RSI, RDI, RIP, CS, RSP = 7, 8, 9, 12, 13, 14, 16, 17, 19
RBP, RBX, RAX, RCX, ORIG_RAX = 4, 5, 10, 11, 15
"""ORIG_RAX is the number of the call that the thread is in, or came from."""
PLACES: Final = {
    "rip": RIP, "rsp": RSP, "rbp": RBP, "rbx": RBX, "r12": 3, "r13": 2, "r14": 1, "r15": 0, "rax": RAX, "rcx": RCX,
    "rdx": RDX, "rsi": RSI, "rdi": RDI, "r8": R8, "r9": R9, "r10": R10, "r11": 6,
}  # fmt: skip
"""Where in it the registers are that code works with, by their names."""
CODE_SEGMENT_32: Final = 0x23
"""__USER32_CS: the thread runs 32-bit code (arch/x86/include/asm/segment.h)."""

X86_64_ARGUMENTS: Final = (RDI, RSI, RDX, R10, R8, R9)
I386_ARGUMENTS: Final = (RBX, RCX, RDX, RSI, RDI, RBP)
"""Which registers carry a call's six arguments (syscall(2))."""
