/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Every failing system call of followed processes, with errno, arguments and path arguments; in a run also the socket
 * address that bind, connect and sendto were given. What is told of it is in failures.c.
 *
 * Sees: on x86-64 the registers at sys_exit still hold number and arguments (x86-64, i386 and x32 calls), so nothing
 * is attached to the entry and no call is remembered. Paths are read after the call, when their page is resident.
 * Also the door: a process that calls prctl(0x676f7472, cookie) with this capture's cookie is followed from then on,
 * or what it names by a pidfd (attached.c).
 * Caveats: errno values that a table calls noise are counted, not streamed; calls that a signal interrupted and the
 * kernel may restart (512..530) are counted as interrupted; another thread may have changed a path since the call.
 * Overhead: some 30 ns for each call of any process on the machine while attached, 80 for a successful one of a followed
 * process, 0.5 microseconds for a failing one (docs/performance.md).
 */
#define REGISTRATION 0x676f7472 /* "gotr" */

static inline void register_caller(struct pt_regs *regs) {
    if (regs->orig_ax != 157 /* prctl */ || regs->di != REGISTRATION) return;
    u32 zero = 0;
    struct config *settings = config.lookup(&zero);
    if (!settings || settings->cookie != regs->si) return;
    char *task = (char *)bpf_get_current_task(), *pid = 0;
    u32 level = 0, tgid = bpf_get_current_pid_tgid() >> 32;
    READ(pid, task + OFFSET_task_struct_thread_pid);
    READ(level, pid + OFFSET_pid_level);
    settings->view_level = level; /* the child, or the collector, is in gotrace's own PID namespace */
#ifdef RUNNING
    u64 pidfd = regs->dx; /* a descriptor, and one more; 0 is the caller itself */
    if (pidfd) {
        follow_behind(pidfd - 1, regs->r10 /* no more */, level);
        return;
    }
#endif
    struct tracked entry = {};
    entry.pid = entry.ns_pid = pid_at(pid, level);
    if (follow(tgid, &entry)) count(COUNTER_REGISTERED);
}

static inline u32 read_path(struct failure_record *record, u32 at, u32 position) {
    if (position == 0 || position > 6) return 0;
    u64 address = record->args[(position - 1) & 7];
    if (!address) return 0;
    s32 length = bpf_probe_read_user_str(record->text + (at & (PATH_LIMIT - 1)), PATH_LIMIT, (void *)address);
    if (length <= 0) return 0;
    if (length == PATH_LIMIT) record->flags |= FLAG_TRUNCATED;
    return length;
}

#ifdef RUNNING
/* Which address a socket was refused. */
static inline u32 read_address(struct failure_record *record, u32 position) {
    u64 address = record->args[(position - 1) & 7];
    u32 length = address_bytes(record->args[position & 7]);
    if (bpf_probe_read_user(record->text, length, (void *)address)) return 0;
    return length;
}
#endif

static inline void on_failure(typed_context *ctx, struct tracked *who, struct pt_regs *regs, s64 result) {
    u32 zero = 0, abi = ABI_X86_64, error = -result, nr = regs->orig_ax;
    if (nr == (u32)-1) return; /* after rt_sigreturn: not a call */
    if (error >= 512 && error <= 530) { /* kernel-internal restart codes, include/linux/errno.h */
        count(COUNTER_INTERRUPTED);
        return;
    }
    if (is_compat()) abi = ABI_I386;
    else if (nr & 0x40000000) { abi = ABI_X32; nr &= ~0x40000000; }
    u32 index = nr < 512 ? nr : 511;
    if (abi == ABI_I386) index += 512;
    struct syscall_info *info = syscalls.lookup(&index);
    if (!info) return;
    for (u32 i = 0; i < 4; i++)
        if (info->noise[i] == error && error) {
#ifdef RUNNING
            if (error == IN_PROGRESS && nr == NR_CONNECT && abi == ABI_X86_64) on_connecting(regs);
#endif
            count(COUNTER_NOISE + ((info->noise_slot + i) & 127));
            return;
        }
    struct failure_record *record = scratch_failure.lookup(&zero);
    if (!record) return;
    FILL(record, who, KIND_FAILURE);
    record->nr = nr;
    record->error = error;
    record->abi = abi;
    record->flags = 0;
    record->ip = regs->ip;
    if (abi == ABI_I386) {
        record->args[0] = (u32)regs->bx; record->args[1] = (u32)regs->cx; record->args[2] = (u32)regs->dx;
        record->args[3] = (u32)regs->si; record->args[4] = (u32)regs->di; record->args[5] = (u32)regs->bp;
    } else {
        record->args[0] = regs->di; record->args[1] = regs->si; record->args[2] = regs->dx;
        record->args[3] = regs->r10; record->args[4] = regs->r8; record->args[5] = regs->r9;
    }
    u32 first = read_path(record, 0, info->path1), second = 0;
#ifdef RUNNING
    if (info->path1 & AN_ADDRESS) first = read_address(record, info->path1 & ~AN_ADDRESS);
#endif
    if (info->path2) second = read_path(record, first & (PATH_LIMIT - 1), info->path2);
    record->path1_bytes = first;
    record->path2_bytes = second;
    hand_over(ctx, who, record);
}

/* Whether anything is done about a call that succeeded. */
static inline int matters(struct pt_regs *regs, s64 result) {
    u64 nr = regs->orig_ax;
    if (WRITES(nr)) return (regs->di == 1 || regs->di == 2) && result; /* cmd/go writes 0 bytes a hundred times */
#ifdef RUNNING
    if (nr == NR_GETSOCKOPT || READS_CLOCK(nr) || MAPS(nr)) return 1;
#endif
    return WRITES_BY_I386(nr);
}

int on_sys_exit(typed_context *ctx) {
    struct pt_regs *regs = (struct pt_regs *)ctx[0];
    s64 result = ctx[1];
    struct tracked *who = 0;
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    if (perhaps_followed(tgid)) {
        if (result >= 0 && !matters(regs, result)) return 0;
        who = tracked.lookup(&tgid);
    }
    if (!who) {
        if (result == -22 /* EINVAL */) register_caller(regs);
        return 0;
    }
    if (result < 0) {
        if (result >= -4095) on_failure(ctx, who, regs, result);
        return 0;
    }
    u64 nr = regs->orig_ax;
#ifdef RUNNING
    if (nr == NR_GETSOCKOPT) on_socket_error(ctx, who, regs);
    else if (READS_CLOCK(nr)) on_clock_read(who, regs, nr);
    else if (MAPS(nr)) on_mmap(ctx, who, regs, result);
    else
#endif
    on_write(who, regs, result);
    return 0;
}
