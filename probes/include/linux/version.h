/* SPDX-License-Identifier: Dual MIT/GPL
 * BCC asks for a version; nothing in our probes depends on it (features are tried, offsets come from BTF). */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#ifndef LINUX_VERSION_CODE
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 15, 0)
#endif
