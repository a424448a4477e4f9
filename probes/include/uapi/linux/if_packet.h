/* SPDX-License-Identifier: Dual MIT/GPL
 * Included by BCC; its content is in BCC's own bpf.h. */
