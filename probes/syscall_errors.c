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
    u64 nr = 0, option = 0, cookie = 0;
    READ(nr, &regs->orig_ax);
    if (nr != 157 /* prctl */) return;
    READ(option, &regs->di);
    if (option != REGISTRATION) return;
    READ(cookie, &regs->si);
    u32 zero = 0;
    struct config *settings = config.lookup(&zero);
    if (!settings || settings->cookie != cookie) return;
    char *task = (char *)bpf_get_current_task(), *pid = 0;
    u32 level = 0, tgid = bpf_get_current_pid_tgid() >> 32;
    READ(pid, task + OFFSET_task_struct_thread_pid);
    READ(level, pid + OFFSET_pid_level);
    settings->view_level = level; /* the child, or the collector, is in gotrace's own PID namespace */
#ifdef RUNNING
    u64 pidfd = 0, no_more = 0; /* a descriptor, and one more; 0 is the caller itself */
    READ(pidfd, &regs->dx);
    READ(no_more, &regs->r10);
    if (pidfd) {
        follow_behind(pidfd - 1, no_more, level);
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

static inline void on_failure(void *ctx, struct tracked *who, char *registers, s64 result) {
    u32 zero = 0, status = 0, abi = ABI_X86_64, error = -result;
    u64 number = 0;
    READ(number, &((struct pt_regs *)registers)->orig_ax); /* not all of them: most failing calls are noise */
    u32 nr = number;
    if (nr == (u32)-1) return; /* after rt_sigreturn: not a call */
    if (error >= 512 && error <= 530) { /* kernel-internal restart codes, include/linux/errno.h */
        count(COUNTER_INTERRUPTED);
        return;
    }
    READ(status, (char *)bpf_get_current_task() + OFFSET_task_struct_thread_info + OFFSET_thread_info_status);
    if (status & 2) abi = ABI_I386;
    else if (nr & 0x40000000) { abi = ABI_X32; nr &= ~0x40000000; }
    u32 index = nr < 512 ? nr : 511;
    if (abi == ABI_I386) index += 512;
    struct syscall_info *info = syscalls.lookup(&index);
    if (!info) return;
    for (u32 i = 0; i < 4; i++)
        if (info->noise[i] == error && error) {
#ifdef RUNNING
            if (error == IN_PROGRESS && nr == NR_CONNECT && abi == ABI_X86_64) on_connecting((struct pt_regs *)registers);
#endif
            count(COUNTER_NOISE + ((info->noise_slot + i) & 127));
            return;
        }
    struct failure_record *record = scratch_failure.lookup(&zero);
    if (!record) return;
    struct pt_regs regs = {};
    READ(regs, registers);
    FILL(record, who, KIND_FAILURE);
    record->nr = nr;
    record->error = error;
    record->abi = abi;
    record->flags = 0;
    record->ip = regs.ip;
    if (abi == ABI_I386) {
        record->args[0] = (u32)regs.bx; record->args[1] = (u32)regs.cx; record->args[2] = (u32)regs.dx;
        record->args[3] = (u32)regs.si; record->args[4] = (u32)regs.di; record->args[5] = (u32)regs.bp;
    } else {
        record->args[0] = regs.di; record->args[1] = regs.si; record->args[2] = regs.dx;
        record->args[3] = regs.r10; record->args[4] = regs.r8; record->args[5] = regs.r9;
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
static inline int matters(struct call *call, s64 result) {
    u64 nr = call->nr;
    if (WRITES(nr)) return (call->first == 1 || call->first == 2) && result; /* cmd/go writes 0 bytes a hundred times */
#ifdef RUNNING
    if (nr == NR_GETSOCKOPT || READS_CLOCK(nr) || MAPS(nr)) return 1;
#endif
    return WRITES_BY_I386(nr);
}

int on_sys_exit(struct bpf_raw_tracepoint_args *ctx) {
    s64 result = ctx->args[1];
    struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
    struct call call = {};
    struct tracked *who = 0;
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    if (perhaps_followed(tgid)) {
        if (result >= 0) {
            READ(call, &regs->si);
            if (!matters(&call, result)) return 0;
        }
        who = tracked.lookup(&tgid);
    }
    if (!who) {
        if (result == -22 /* EINVAL */) register_caller(regs);
        return 0;
    }
    if (result < 0) {
        if (result >= -4095) on_failure(ctx, who, (char *)regs, result);
        return 0;
    }
    if (WRITES(call.nr) || WRITES_BY_I386(call.nr)) on_write(who, regs, &call, result);
#ifdef RUNNING
    if (call.nr == NR_GETSOCKOPT) on_socket_error(ctx, who, regs);
    if (READS_CLOCK(call.nr)) on_clock_read(who, regs, call.nr);
    if (MAPS(call.nr)) on_mmap(ctx, who, regs, call.nr, result);
#endif
    return 0;
}
