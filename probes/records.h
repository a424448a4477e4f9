/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What the probes hand to user space: records, counters and the maps they travel in.
 *
 * Every structure is written once, here. The layout that the compiler gave it is read back from the maps named
 * `layout_*` (their leaf is the structure) and stored beside the cached programs, together with the numbers of the
 * `#define`s below whose names begin with KIND_, PART_, COUNTER_, ABI_ and FLAG_. Python has no second copy of them.
 */
#include <linux/types.h>
#include <uapi/linux/ptrace.h>

#define KIND_FORK 1
#define KIND_EXEC 2
#define KIND_EXIT 3
#define KIND_TEXT 4
#define KIND_FAILURE 5
#define KIND_LIBRARY 6
#define KIND_DL_CALL 7
#define KIND_SIGNAL 8
#define KIND_BURST 9
#define KIND_CLOCK_READS 10
#define KIND_STACK 11

/* Which text a KIND_TEXT record carries; those of one exec precede its KIND_EXEC record, of the same process. */
#define PART_ARGV 1
#define PART_ENV 2
#define PART_CWD 3
#define PART_PATH 4
#define PART_STDERR 5
#define PART_FAILED_ARGV 6
#define PART_ROOT 7

#define FLAG_TRUNCATED 1
#define FLAG_STOPPED 2
#define FLAG_IN_PROGRESS 4

#define ABI_X86_64 0
#define ABI_I386 1
#define ABI_X32 2

/* Counters: one row of COUNTER_ROW numbers for each CPU (numbers above COUNTER_CPUS share rows). */
#define COUNTER_CPUS 64
#define COUNTER_ROW 256
#define COUNTER_REGISTERED 0
#define COUNTER_LOST_FORK 1
#define COUNTER_LOST_EXEC 2
#define COUNTER_LOST_EXIT 3
#define COUNTER_LOST_OUTPUT 4
#define COUNTER_LOST_FAILURE 5
#define COUNTER_UNFOLLOWED 6
#define COUNTER_LOST_TEXT 7
#define COUNTER_TERMINAL_WRITES 8
#define COUNTER_INTERRUPTED 9
#define COUNTER_LOST_LIBRARY 10
#define COUNTER_LOST_DL_CALL 11
#define COUNTER_LOST_SIGNAL 12
#define COUNTER_LOST_CLOCK_READS 13
#define COUNTER_NOISE 64

#define TEXT_CHUNK 4096
#define BLOCK_CHUNKS 8 /* of argv and of the environment: 32 KB */
#define STDERR_CHUNKS 24 /* of one call, over all its pieces */
#define STDERR_LIMIT 65536
#define PATH_LIMIT 2048
#define AN_ADDRESS 128
#define ADDRESS_LIMIT 110 /* struct sockaddr_un */
#define FAILURE_FRAMES 32 /* of the stack of a failing call, where a program's run is followed */

/* `pid` and `tid` as gotrace's own PID namespace numbers them, `ns_pid` as the process's innermost one does. */
#define RECORD_HEADER u64 ts_ns; u32 pid; u32 tid; u32 ns_pid; u16 kind; u16 part

struct fork_record { RECORD_HEADER; u32 child_pid; u32 child_ns_pid; };
struct exec_record { RECORD_HEADER; u64 argv_bytes; u64 env_bytes; u32 mount_ns; u32 unused; };
struct exit_record { RECORD_HEADER; u32 code; u32 unused; };
struct text_record { RECORD_HEADER; u32 bytes; u32 flags; char text[TEXT_CHUNK]; };
struct failure_record {
    RECORD_HEADER;
    u64 ip;
    u64 args[6];
    u32 nr;
    u16 error;
    u16 abi;
    u16 path1_bytes; /* with the final NUL; 0: no such argument, or not readable; of a socket address its length */
    u16 path2_bytes;
    u32 flags;
#ifdef RUNNING
    u64 burst; /* what calls of the same kind have in common (bursts.c) */
    u64 frames; /* how many of them are there */
    u64 stack[FAILURE_FRAMES];
#endif
    char text[2 * PATH_LIMIT];
};
#define TEXT_HEADER __builtin_offsetof(struct text_record, text)
#define FAILURE_HEADER __builtin_offsetof(struct failure_record, text)

/* A followed process, by global tgid. `unasked`: failures of its loader that nobody has asked dlerror about yet. */
struct tracked { u32 pid; u32 ns_pid; u32 output_bytes; s32 unasked; };
/*
 * One system call: positions (from 1) of its path arguments, and the errno values that are counted, not streamed. With
 * AN_ADDRESS the first is the position of a socket address, whose length is the next argument.
 */
struct syscall_info { u8 path1; u8 path2; u16 noise_slot; u16 noise[4]; };
/* `reader`: the user who is told what is read of stacks; 0 is root, who may look into every process. */
struct config { u64 cookie; u32 view_level; u32 stops; u32 reader; u32 unused; };
/*
 * Room to put a text together. `spill`: the verifier bounds a copy's length and its start separately. The cursors live
 * here and not in registers because the verifier knows nothing of values in a map: each turn of a loop then looks like
 * the one before to it, and it checks the loop's body once (40 ms in place of 300 for all programs).
 */
struct text_scratch {
    struct text_record record;
    char spill[TEXT_CHUNK];
    u64 address, bytes, left, vector;
    char *dentry, *mount;
    u32 used, cut;
};

/* Few and wanted at once: forks, execs, exits, output. */
BPF_RINGBUF_OUTPUT(live, 2048);
/* Many: failing calls, spooled as they are. */
BPF_RINGBUF_OUTPUT(bulk, 4096);
BPF_TABLE("hash", u32, struct tracked, tracked, 32768);
/*
 * How many followed processes have ids that end alike. An array is looked up without a call: most system calls are of
 * others, and cost a third of what they would with a look-up in the hash.
 */
#define SLOTS (1 << 14)
BPF_ARRAY(slots, u32, SLOTS);
BPF_F_TABLE("array", u32, u64, counters, COUNTER_CPUS * COUNTER_ROW, 1 << 10 /* BPF_F_MMAPABLE */);
BPF_ARRAY(syscalls, struct syscall_info, 1024); /* x86-64 from 0, i386 from 512 */
BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(scratch_text, struct text_scratch, 1);
BPF_PERCPU_ARRAY(scratch_failure, struct failure_record, 1);
/* Never read or written: they only carry their leaf's layout to user space, and are not created when cached. */
BPF_ARRAY(layout_fork_record, struct fork_record, 1);
BPF_ARRAY(layout_exec_record, struct exec_record, 1);
BPF_ARRAY(layout_exit_record, struct exit_record, 1);
BPF_ARRAY(layout_text_record, struct text_record, 1);
BPF_ARRAY(layout_failure_record, struct failure_record, 1);
BPF_ARRAY(layout_syscall_info, struct syscall_info, 1);
BPF_ARRAY(layout_config, struct config, 1);

#define READ(destination, source) bpf_probe_read_kernel(&(destination), sizeof(destination), (void *)(source))

static inline void count(u32 slot) {
    u32 at = (bpf_get_smp_processor_id() & (COUNTER_CPUS - 1)) * COUNTER_ROW + slot;
    u64 *counter = counters.lookup(&at);
    if (counter) __sync_fetch_and_add(counter, 1);
}

/* The pid that `task` (or its thread group) has at a PID namespace level; level -1 is its innermost. */
static inline u32 pid_at(char *pid, s32 level) {
    u32 own = 0, number = 0;
    READ(own, pid + OFFSET_pid_level);
    if (level < 0 || level > own) level = own;
    READ(number, pid + OFFSET_pid_numbers + SIZE_upid * (level & 31));
    return number;
}

/*
 * Of on_sys_exit and what it calls the verifier knows what they are handed (tp_btf, Linux 5.5): they read the kernel's
 * structures as C does, without the call of a helper for each, which cost half of what they cost. BCC leaves such reads
 * as they are where a program's context is a type that it does not know.
 */
typedef u64 typed_context;
static void *(*current_task_btf)(void) = (void *)158; /* Linux 5.11; older BCC does not know it */

/* Whether the current system call is one of 32-bit code: TS_COMPAT, arch/x86/include/asm/thread_info.h. */
static inline u32 is_compat(void) {
    u32 status = 0;
#ifdef HAS_TYPED_TASK
    status = *(u32 *)((char *)current_task_btf() + OFFSET_task_struct_thread_info + OFFSET_thread_info_status);
#else
    READ(status, (char *)bpf_get_current_task() + OFFSET_task_struct_thread_info + OFFSET_thread_info_status);
#endif
    return status & 2;
}

static inline u32 view_level(void) {
    u32 zero = 0;
    struct config *settings = config.lookup(&zero);
    return settings ? settings->view_level : 0;
}

/* The calling thread's id as gotrace sees it: for the initial namespace, the common case, no memory is read. */
static inline u32 my_tid(void) {
    u32 level = view_level();
    if (level == 0) return (u32)bpf_get_current_pid_tgid();
    char *task = (char *)bpf_get_current_task(), *pid = 0;
    READ(pid, task + OFFSET_task_struct_thread_pid);
    return pid_at(pid, level);
}

/* For what happens to each process all the time: see `slots`. */
static inline int perhaps_followed(u32 tgid) {
    u32 slot = tgid & (SLOTS - 1), *many = slots.lookup(&slot);
    return many && *many;
}

static inline struct tracked *followed(void) {
    u32 tgid = bpf_get_current_pid_tgid() >> 32;
    return tracked.lookup(&tgid);
}

/* Whether it is followed from now on, and was not before. */
static inline int follow(u32 tgid, struct tracked *entry) {
    u32 slot = tgid & (SLOTS - 1), *many = slots.lookup(&slot);
    if (!many) return 0;
    __sync_fetch_and_add(many, 1);
    if (tracked.insert(&tgid, entry) == 0) return 1;
    __sync_fetch_and_add(many, -1);
    return 0;
}

/* Whether it was followed until now: of several who ask at the same time one is told so. */
static inline int forget(u32 tgid) {
    u32 slot = tgid & (SLOTS - 1), *many = slots.lookup(&slot);
    if (tracked.delete(&tgid)) return 0;
    if (many) __sync_fetch_and_add(many, -1);
    return 1;
}

/* Once per record and outside of loops: each branch inside one costs the verifier twice. */
#define FILL(record, who, record_kind) do { \
    (record)->ts_ns = bpf_ktime_get_ns(); (record)->pid = (who)->pid; (record)->ns_pid = (who)->ns_pid; \
    (record)->tid = my_tid(); (record)->kind = (record_kind); (record)->part = 0; } while (0)
