/* SPDX-License-Identifier: Dual MIT/GPL
 * The unit in which BCC counts the size of a ring buffer. */
#define PAGE_SIZE 4096
