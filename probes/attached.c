/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Processes that ran before gotrace did: the collector names each by a pidfd of its own (pidfd_open(2)).
 *
 * Sees: nothing by itself. A pidfd says which process is meant in every PID namespace, and it cannot come to mean
 * another one, as a number can.
 * Caveats: none of the target's own calls is needed, so a process that sleeps is followed as well.
 * Overhead: one prctl(2) of the collector for each process.
 */

/* What a descriptor of the current task stands for: a struct file, or 0. */
static inline char *file_behind(u32 fd) {
    char *task = (char *)bpf_get_current_task(), *files = 0, *table = 0, **slots = 0, *file = 0;
    u32 largest = 0;
    READ(files, task + OFFSET_task_struct_files);
    READ(table, files + OFFSET_files_struct_fdt);
    READ(largest, table + OFFSET_fdtable_max_fds);
    READ(slots, table + OFFSET_fdtable_fd);
    if (fd < largest) READ(file, slots + fd);
    return file;
}

/* Follow the process behind a pidfd of the current task; `no_more`: not any more. */
static inline void follow_behind(u32 pidfd, u64 no_more, u32 level) {
    char *file = file_behind(pidfd), *inode = 0, *pid = 0;
    if (!file) return;
    READ(inode, file + OFFSET_file_f_inode);
    READ(pid, inode + OFFSET_inode_i_private); /* pidfs, Linux 6.9 */
    if (!pid) READ(pid, file + OFFSET_file_private_data);
    if (!pid) return;
    u32 tgid = pid_at(pid, 0);
    if (no_more) {
        forget(tgid);
        return;
    }
    struct tracked entry = {};
    entry.pid = pid_at(pid, level);
    entry.ns_pid = pid_at(pid, -1);
    /* The fork hook may have been faster. */
    if (follow(tgid, &entry)) count(COUNTER_REGISTERED);
}
