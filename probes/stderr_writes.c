/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What followed processes write to descriptor 2, and that they wrote to a terminal at all.
 *
 * Sees: write, pwrite64 and writev to descriptor 2, the first 64 KB of a process; user space keeps
 * those of go, the C toolchain and pkg-config only. Counts writes to descriptors 1 and 2 that reach a terminal.
 * Caveats: a tool that moved its stderr to another descriptor is not heard; the text is read after the call, when
 * another thread may have changed it. sendfile, splice and io_uring are not seen.
 * Overhead: two comparisons for each successful call of a followed process; measured in docs/performance.md.
 */
static inline int is_terminal(u64 fd) {
    char *task = (char *)bpf_get_current_task(), *files = 0, *table = 0, **slots = 0, *file = 0, *inode = 0;
    u32 device = 0;
    u16 mode = 0;
    READ(files, task + OFFSET_task_struct_files);
    READ(table, files + OFFSET_files_struct_fdt);
    READ(slots, table + OFFSET_fdtable_fd);
    READ(file, slots + (fd & 3));
    READ(inode, file + OFFSET_file_f_inode);
    READ(mode, inode + OFFSET_inode_i_mode);
    if ((mode & 0170000) != 0020000) return 0;
    READ(device, inode + OFFSET_inode_i_rdev);
    u32 major = device >> 20; /* include/linux/kdev_t.h */
    return major == 4 || major == 5 || (major >= 136 && major <= 143);
}

/*
 * Sends what one call wrote: `bytes` at `address`, or (`vector` not 0) the pieces it lists, `left` bytes in all.
 * `width` is the size of a pointer of the caller: 8, or 4.
 */
static inline void emit_stderr(struct text_scratch *scratch, struct tracked *who, u32 width) {
    FILL(&scratch->record, who, KIND_TEXT);
    scratch->record.part = PART_STDERR;
    scratch->record.flags = 0;
    if (scratch->left > STDERR_LIMIT - who->output_bytes) {
        scratch->left = STDERR_LIMIT - who->output_bytes;
        scratch->record.flags = FLAG_TRUNCATED;
    }
    who->output_bytes += scratch->left;
    for (u32 i = 0; i < STDERR_CHUNKS; i++) {
        if (scratch->left == 0) return;
        if (scratch->bytes == 0) {
            u64 base = 0, length = 0;
            if (scratch->vector == 0) return;
            if (bpf_probe_read_user(&base, 8, (void *)scratch->vector)) return;
            if (width == 4) {
                length = base >> 32;
                base &= 0xffffffff;
            } else if (bpf_probe_read_user(&length, 8, (void *)(scratch->vector + 8))) {
                return;
            }
            scratch->vector += 2 * width;
            scratch->address = base;
            scratch->bytes = length;
        }
        u64 now = scratch->bytes;
        if (now > scratch->left) now = scratch->left;
        if (now > TEXT_CHUNK - 1) now = TEXT_CHUNK - 1;
        asm volatile("" : "+r"(now));
        now &= TEXT_CHUNK - 1;
        scratch->record.bytes = now;
        if (bpf_probe_read_user(scratch->record.text, now, (void *)scratch->address)) break;
        if (live.ringbuf_output(scratch, TEXT_HEADER + now, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_OUTPUT);
        scratch->address += now;
        scratch->bytes -= now;
        scratch->left -= now;
    }
    if (scratch->left) count(COUNTER_LOST_OUTPUT); /* unreadable, or in more pieces than we follow */
}

#define WRITES(nr) ((nr) == 1 || (nr) == 18 /* pwrite64 */ || (nr) == 20 /* writev */)
#define WRITES_BY_I386(nr) ((nr) == 4 || (nr) == 146 || (nr) == 181)

static inline void on_write(struct tracked *who, struct pt_regs *regs, u64 written) {
    u64 nr = regs->orig_ax, fd = regs->di, buffer = regs->si;
    u32 compat = is_compat(), zero = 0;
    if (compat) {
        if (!WRITES_BY_I386(nr)) return;
        fd = (u32)regs->bx;
        buffer = (u32)regs->cx;
    } else if (!WRITES(nr)) {
        return;
    }
    if ((fd != 1 && fd != 2) || written == 0) return;
    if (is_terminal(fd)) count(COUNTER_TERMINAL_WRITES);
    if (fd != 2 || who->output_bytes >= STDERR_LIMIT) return;
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    if (!scratch) return;
    int in_pieces = nr == 20 || nr == 146;
    scratch->vector = in_pieces ? buffer : 0;
    scratch->address = in_pieces ? 0 : buffer;
    scratch->bytes = in_pieces ? 0 : written;
    scratch->left = written;
    emit_stderr(scratch, who, compat ? 4 : 8);
}
