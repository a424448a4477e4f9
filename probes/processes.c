/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Forks, successful execs and exits of followed processes.
 *
 * Sees: a new process (not a new thread) of a followed one, which is followed from then on; the argument block, the
 * environment block (32 KB of each; the true lengths are told), the working directory, the root folder and the mount
 * namespace of an exec; the exit of a process's last thread with the wait status its parent gets.
 * Caveats: argv is what the kernel keeps for /proc/PID/cmdline right after the exec, before the program could change
 * it. Non-leader execs and leaders that exit early are handled by keying on the thread group.
 * Overhead: measured in docs/performance.md; 2 to 5 microseconds an exec, 1 to 3 a fork or an exit, and a hash look-up
 * for processes that are not followed.
 */

/* Sends user memory as text records; what could not be read is missing from the sum of the records. */
static inline void emit_text(struct text_scratch *scratch, struct tracked *who, u16 part, u64 address, u64 bytes) {
    FILL(&scratch->record, who, KIND_TEXT);
    scratch->record.part = part;
    scratch->record.flags = 0;
    scratch->address = address;
    scratch->bytes = bytes;
    for (u32 i = 0; i < BLOCK_CHUNKS; i++) {
        u64 now = scratch->bytes;
        if (now == 0) return;
        if (now > TEXT_CHUNK - 1) now = TEXT_CHUNK - 1;
        asm volatile("" : "+r"(now)); /* or clang drops the mask that the verifier needs */
        now &= TEXT_CHUNK - 1;
        scratch->record.bytes = now;
        if (bpf_probe_read_user(scratch->record.text, now, (void *)scratch->address)) {
            count(COUNTER_LOST_TEXT);
            return;
        }
        if (live.ringbuf_output(scratch, TEXT_HEADER + now, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_TEXT);
        scratch->address += now;
        scratch->bytes -= now;
    }
}

int on_fork(struct bpf_raw_tracepoint_args *ctx) {
    struct tracked *parent = followed();
    if (!parent) return 0;
    char *child = (char *)ctx->args[1], *pid = 0;
    u32 tgid = 0, mine = bpf_get_current_pid_tgid() >> 32;
    READ(tgid, child + OFFSET_task_struct_tgid);
    if (tgid == mine) return 0; /* a thread */
    READ(pid, child + OFFSET_task_struct_thread_pid);
    struct tracked entry = {};
    entry.pid = pid_at(pid, view_level());
    entry.ns_pid = pid_at(pid, -1);
    /* The collector may have been faster (attached.c). */
    if (!follow(tgid, &entry) && !tracked.lookup(&tgid)) count(COUNTER_UNFOLLOWED);
    struct fork_record record = {};
    FILL(&record, parent, KIND_FORK);
    record.child_pid = entry.pid;
    record.child_ns_pid = entry.ns_pid;
    if (live.ringbuf_output(&record, sizeof(record), BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_FORK);
    return 0;
}

/*
 * Names from scratch->dentry of scratch->mount up to the folder `root`, each with its NUL, innermost first, across
 * mounts, into the text from byte scratch->used on. No root: up to that of the mount namespace.
 */
static inline void read_names(struct text_scratch *scratch, char *root) {
    scratch->record.flags = FLAG_TRUNCATED;
    for (int i = 0; i < 64; i++) {
        char *dentry = scratch->dentry, *mount = scratch->mount, *parent = 0, *mount_root = 0, *name = 0;
        u32 used = scratch->used;
        if (!dentry || dentry == root) { scratch->record.flags = 0; break; }
        READ(mount_root, mount + OFFSET_vfsmount_mnt_root);
        READ(parent, dentry + OFFSET_dentry_d_parent);
        if (dentry == mount_root || dentry == parent) {
            char *here = mount - OFFSET_mount_mnt, *above = 0;
            READ(above, here + OFFSET_mount_mnt_parent);
            if (above == here || !above) { scratch->record.flags = 0; break; }
            READ(scratch->dentry, here + OFFSET_mount_mnt_mountpoint);
            scratch->mount = above + OFFSET_mount_mnt;
            continue;
        }
        READ(name, dentry + OFFSET_dentry_d_name + OFFSET_qstr_name);
        if (used > TEXT_CHUNK - 256) break;
        s32 length = bpf_probe_read_kernel_str(scratch->record.text + (used & (TEXT_CHUNK - 1)), 256, name);
        if (length <= 0) break;
        scratch->used = used + length;
        scratch->dentry = parent;
    }
}

static inline void emit_folder(struct text_scratch *scratch, struct tracked *who, u16 part, char *root) {
    FILL(&scratch->record, who, KIND_TEXT);
    scratch->record.part = part;
    scratch->used = 0;
    read_names(scratch, root);
    u32 used = scratch->used;
    if (part == PART_ROOT && used == 0) return; /* as good as always */
    scratch->record.bytes = used;
    asm volatile("" : "+r"(used));
    used &= TEXT_CHUNK - 1;
    if (live.ringbuf_output(scratch, TEXT_HEADER + used, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_TEXT);
}

/* Where it works, as it names that itself, and what its root folder is called from outside. */
static inline void emit_folders(struct text_scratch *scratch, struct tracked *who, char *task) {
    char *fs = 0, *root = 0;
    READ(fs, task + OFFSET_task_struct_fs);
    READ(root, fs + OFFSET_fs_struct_root + OFFSET_path_dentry);
    READ(scratch->mount, fs + OFFSET_fs_struct_pwd + OFFSET_path_mnt);
    READ(scratch->dentry, fs + OFFSET_fs_struct_pwd + OFFSET_path_dentry);
    emit_folder(scratch, who, PART_CWD, root);
    READ(scratch->mount, fs + OFFSET_fs_struct_root + OFFSET_path_mnt);
    scratch->dentry = root;
    emit_folder(scratch, who, PART_ROOT, 0);
}

/* The inode number of its mount namespace, as `stat -L /proc/PID/ns/mnt` has it. */
static inline u32 mount_namespace(char *task) {
    char *proxy = 0, *namespace = 0;
    u32 number = 0;
    READ(proxy, task + OFFSET_task_struct_nsproxy);
    READ(namespace, proxy + OFFSET_nsproxy_mnt_ns);
    READ(number, namespace + OFFSET_mnt_namespace_ns + OFFSET_ns_common_inum);
    return number;
}

int on_exec(struct bpf_raw_tracepoint_args *ctx) {
    struct tracked *who = followed();
    if (!who) return 0;
    who->unasked = 0; /* that was another program */
    u32 zero = 0;
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    if (!scratch) return 0;
    char *task = (char *)ctx->args[0], *program = (char *)ctx->args[2], *mm = 0, *filename = 0;
    u64 bounds[4] = {}; /* arg_start, arg_end, env_start, env_end */
    READ(mm, task + OFFSET_task_struct_mm);
    READ(bounds, mm + OFFSET_mm_struct_arg_start);

    READ(filename, program + OFFSET_linux_binprm_filename);
    s32 length = bpf_probe_read_kernel_str(scratch->record.text, TEXT_CHUNK - 1, filename);
    if (length > 0) {
        u32 bytes = length;
        FILL(&scratch->record, who, KIND_TEXT);
        scratch->record.part = PART_PATH;
        scratch->record.flags = 0;
        scratch->record.bytes = bytes;
        asm volatile("" : "+r"(bytes));
        bytes &= TEXT_CHUNK - 1;
        if (live.ringbuf_output(scratch, TEXT_HEADER + bytes, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_TEXT);
    }
    emit_text(scratch, who, PART_ARGV, bounds[0], bounds[1] - bounds[0]);
    emit_text(scratch, who, PART_ENV, bounds[2], bounds[3] - bounds[2]);
    emit_folders(scratch, who, task);

    struct exec_record record = {};
    FILL(&record, who, KIND_EXEC);
    record.argv_bytes = bounds[1] - bounds[0];
    record.env_bytes = bounds[3] - bounds[2];
    record.mount_ns = mount_namespace(task);
    if (live.ringbuf_output(&record, sizeof(record), BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_EXEC);
    return 0;
}

int on_exit(struct bpf_raw_tracepoint_args *ctx) {
    struct tracked *who = followed();
    if (!who) return 0;
    char *task = (char *)ctx->args[0], *signal = 0, *leader = 0;
    s32 alive = 0;
    u32 flags = 0;
    READ(signal, task + OFFSET_task_struct_signal);
    READ(alive, signal + OFFSET_signal_struct_live);
    if (alive != 0) return 0; /* other threads go on */
    struct exit_record record = {};
    FILL(&record, who, KIND_EXIT);
    /* Threads that end at the same time all find that none is left; who is followed is gone with the first of them. */
    if (!forget(bpf_get_current_pid_tgid() >> 32)) return 0;
    /* What wait(2) reports, as kernel/exit.c wait_task_zombie() picks it. */
    READ(flags, signal + OFFSET_signal_struct_flags);
    if (flags & 4 /* SIGNAL_GROUP_EXIT */) {
        READ(record.code, signal + OFFSET_signal_struct_group_exit_code);
    } else {
        READ(leader, task + OFFSET_task_struct_group_leader);
        READ(record.code, leader + OFFSET_task_struct_exit_code);
    }
    if (live.ringbuf_output(&record, sizeof(record), BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_EXIT);
    return 0;
}
