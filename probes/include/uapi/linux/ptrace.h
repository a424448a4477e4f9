/* SPDX-License-Identifier: Dual MIT/GPL
 * x86-64's user-visible register layout (arch/x86/include/uapi/asm/ptrace.h): stable ABI. */
#ifndef GOTRACE_PTRACE_H
#define GOTRACE_PTRACE_H
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#endif
