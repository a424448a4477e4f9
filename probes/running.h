/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What the probes hand over beyond records.h where a program's run is followed, not a build: libraries, dl calls,
 * signals. Compiled in only then (RUNNING).
 */
#define SIGNAL_FRAMES 32
#define STACK_CHUNK 512
#define STACK_CHUNKS 16 /* 8 KB of stack memory */
#define INSTRUCTION_BYTES 16
#define WORDS_AT_ONCE 64 /* of stack memory that one program looks at */
#define NAME_LIMIT 1024
#define VERSION_LIMIT 128
#define SHORT_NAME_LIMIT 128
#define SHORT_VERSION_LIMIT 32
#define EXEC_MAPPINGS 8

/* At the start of the text of a KIND_LIBRARY record, which is a text_record; names follow as in PART_CWD. */
struct library_head { u64 base; u64 size; u64 offset; u64 inode; u32 device; u32 unused; };

/*
 * `part` of the record is the function (DL_). The text is the name (of dlopen the filename, of dlerror the answer), and
 * behind it the version that dlvsym asks for.
 */
#define DL_FIELDS \
    RECORD_HEADER; \
    u64 began_ns; \
    u64 handle; /* the first argument: of dlsym the handle, of dlmopen the namespace */ \
    u64 flags; \
    u64 result; \
    u64 caller; \
    u32 name_bytes; /* with the final NUL; 0: a null pointer */ \
    u32 version_bytes
struct dl_record { DL_FIELDS; char text[NAME_LIMIT + VERSION_LIMIT]; };
/* What is put together on the stack, where names are as short as mostly. */
struct short_dl_record { DL_FIELDS; char text[SHORT_NAME_LIMIT + SHORT_VERSION_LIMIT]; };
#define DL_HEADER __builtin_offsetof(struct dl_record, text)

/* Registers [19] point to the memory. The last members of a record, because only what was read of it is sent. */
#define THREAD_STACK \
    u64 goroutine; /* the one that called into C, where the thread is in C */ \
    u64 go_at; /* its frame pointer on the way up */ \
    u64 go_found; \
    u64 go_frames[SIGNAL_FRAMES]; \
    u64 memory_bytes; /* from registers.sp on */ \
    char memory[STACK_CHUNK * STACK_CHUNKS]; \
    char spill[STACK_CHUNK] /* the verifier bounds a copy's length and its start separately; not sent */
struct thread_stack { THREAD_STACK; };
#define THREAD_STACK_OF(record) ((struct thread_stack *)&(record)->goroutine)

struct signal_record {
    RECORD_HEADER;
    u64 address; /* si_addr, or si_pid in its low half */
    u64 handler;
    u64 error_code; /* of the thread's last exception `trap` */
    u64 trap;
    u64 registers[21]; /* struct pt_regs */
    s32 code;
    u32 signal;
    u32 instruction_bytes;
    u32 stack_bytes; /* of `frames` */
    u64 frames[SIGNAL_FRAMES];
    char instruction[INSTRUCTION_BYTES];
    THREAD_STACK;
};
#define SIGNAL_HEADER __builtin_offsetof(struct signal_record, memory)

/* Of a failing call that is told besides: the same thread at the same time. */
struct stack_record {
    RECORD_HEADER;
    u64 registers[21]; /* struct pt_regs */
    THREAD_STACK;
};
#define STACK_HEADER __builtin_offsetof(struct stack_record, memory)
struct stack_budget { u64 since_ns; u32 told; u32 unused; };

/* A C library, by the file system's number for it; as the kernel has it, not as stat(2) encodes it. */
struct file_id { u64 inode; u64 device; };
#define PENDING 1
#define READY 2

/* To the collector: process `pid` maps a C library in which nothing is attached; it was stopped (1) or not (0). */
struct unseen_record { u64 ts_ns; u64 inode; u64 device; u32 pid; u32 stopped; };

struct dl_key { u64 sp; u32 tid; u32 function; };
struct dl_call { u64 began_ns; u64 first; u64 second; u64 third; u64 caller; };

/*
 * Mappings to be told of, one by one, each by a program of its own: the verifier would have to go through as many
 * paths as the loop over them has turns. `mappings` are the kernel's structures of what an exec mapped.
 */
struct mappings_scratch {
    u64 branch, branch_at, branch_end, leaf, leaf_at, leaf_end, found, next;
    u64 mappings[EXEC_MAPPINGS];
};
/* What mmap(2) just made. */
struct mmap_scratch { u64 base, size, offset, file; };

/*
 * Failing calls that came too fast to be told one by one: `folded` of them, the last one at `ts_ns`. They are of one
 * process, number, error and place in code, and name the same path. It is its own record (KIND_BURST): user space reads
 * the map, and the first of these calls were told.
 */
struct burst {
    RECORD_HEADER;
    u64 id;
    u64 since_ns; /* `seen` calls since then, as long as there are few enough of them */
    u64 folded;
    u64 ip;
    u32 nr;
    u16 error;
    u16 abi;
    u32 seen;
    u32 unused;
};
/* Reads of the clock by one process from one place in its code: `calls` of them, the last one at `ts_ns`. As a burst. */
struct clock_reads {
    RECORD_HEADER;
    u64 id;
    u64 since_ns;
    u64 calls;
    u64 ip;
    u32 nr;
    u32 unused;
};
#define CLOCK_BITS 10
BPF_F_TABLE("array", u32, struct clock_reads, clock_reads, 1 << CLOCK_BITS, 1 << 10 /* BPF_F_MMAPABLE */);
#define BURST_BITS 12
BPF_F_TABLE("array", u32, struct burst, bursts, 1 << BURST_BITS, 1 << 10 /* BPF_F_MMAPABLE */);

/* A connect(2) that goes on (connecting.c): the address it was given, where that was, and how long it was said to be. */
struct socket_key { u32 tgid; s32 descriptor; };
struct connecting { u64 address_at; u32 length; u32 unused; char address[112]; };
BPF_TABLE("lru_hash", struct socket_key, struct connecting, connecting, 1024);

/* One array holds programs of one kind only: those of on_sys_exit have their own. */
#define TAIL_LIBRARY 0
#define TAIL_GOROUTINE 1
BPF_PROG_ARRAY(tail_programs, 2);
#define TAIL_FAILURE 0
#define TAIL_MAPPED 1
#define TAIL_STACK 2
BPF_PROG_ARRAY(typed_tails, 3);
BPF_RINGBUF_OUTPUT(unseen, 16);
BPF_RINGBUF_OUTPUT(stacks, 512); /* large, and none of them must push out anything else */
BPF_TABLE("hash", struct file_id, u32, libraries_seen, 16384);
BPF_TABLE("hash", struct dl_key, struct dl_call, dl_calls, 16384);
BPF_PERCPU_ARRAY(scratch_mappings, struct mappings_scratch, 1);
BPF_PERCPU_ARRAY(scratch_mmap, struct mmap_scratch, 1);
BPF_PERCPU_ARRAY(scratch_signal, struct signal_record, 1);
BPF_PERCPU_ARRAY(scratch_stack, struct stack_record, 1);
BPF_PERCPU_ARRAY(stack_budgets, struct stack_budget, 1);
BPF_ARRAY(layout_library_head, struct library_head, 1);
BPF_ARRAY(layout_dl_record, struct dl_record, 1);
BPF_ARRAY(layout_signal_record, struct signal_record, 1);
BPF_ARRAY(layout_stack_record, struct stack_record, 1);
BPF_ARRAY(layout_unseen_record, struct unseen_record, 1);
BPF_ARRAY(layout_file_id, struct file_id, 1);
BPF_ARRAY(layout_burst, struct burst, 1);
BPF_ARRAY(layout_clock_reads, struct clock_reads, 1);
