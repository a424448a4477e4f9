/* SPDX-License-Identifier: Dual MIT/GPL
 * BCC recognises a kernel source tree by this file's existence and includes it before everything else. */
#ifndef GOTRACE_KCONFIG_H
#define GOTRACE_KCONFIG_H
#define CONFIG_BPF_SYSCALL 1
#define CONFIG_X86_64 1
#endif
