/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What it takes to find a thread's callers later, by unwind tables: its registers, up to 8 KB of its stack from the
 * stack pointer on, and the return addresses of the goroutine that called into C. For signals (signals.c), and in a
 * record of its own for failing calls: compilers leave frame pointers out of C, cgo's default -O2 among them.
 *
 * Sees: STACKS_A_SECOND on each CPU. Once there were half of them, of each kind of failing call (bursts.c) the first
 * STACKS_OF_A_KIND in that second, then the 16th, the 32nd and so on, for somebody else may ask for the same.
 * Caveats: memory that is not resident, or is not mapped, ends what is read of the stack. It may hold anybody's
 * secrets: gotrace keeps it in its memory until the names are found, and never writes it. Where there are more, or
 * their ring is full, frame pointers have to do.
 * Overhead: some ten microseconds for such a call, nothing for the others.
 */
#define STACKS_OF_A_KIND 8
#define STACKS_A_SECOND 250

/*
 * Whether the reader may look into this process, as ptrace(2) has it: it is theirs, and it would be dumped. A program that
 * has got rights by its file would not be, nor one that asks for that (PR_SET_DUMPABLE).
 */
static inline int may_be_read(void) {
    u32 zero = 0;
    u64 flags = 0;
    struct config *settings = config.lookup(&zero);
    if (!settings) return 0;
    if (!settings->reader) return 1;
#ifdef HAS_DUMPABLE
    char *mm = 0;
    READ(mm, (char *)bpf_get_current_task() + OFFSET_task_struct_mm);
    READ(flags, mm + OFFSET_mm_struct_flags);
#endif
    return (u32)bpf_get_current_uid_gid() == settings->reader && (flags & 3 /* MMF_DUMPABLE_MASK */) == 1;
}

/* In pieces that end where pages end, so that what is mapped is read to its end. */
static inline void read_stack(struct thread_stack *stack, u64 sp) {
    stack->memory_bytes = stack->goroutine = stack->go_found = stack->go_at = 0;
    if (!may_be_read()) return;
    for (u32 i = 0; i < STACK_CHUNKS; i++) {
        u64 done = stack->memory_bytes, address = sp + done;
        u64 now = STACK_CHUNK - (address & (STACK_CHUNK - 1));
        if (done > STACK_CHUNK * (STACK_CHUNKS - 1)) return;
        asm volatile("" : "+r"(now));
        now &= 2 * STACK_CHUNK - 1;
        if (now > STACK_CHUNK) return;
        asm volatile("" : "+r"(done));
        if (bpf_probe_read_user(stack->memory + (done & (STACK_CHUNK * STACK_CHUNKS - 1)), now, (void *)address))
            return;
        stack->memory_bytes = done + now;
    }
}

/*
 * C code called by Go runs on the thread's own stack, and gcc uses rbp as it likes: the goroutine's frames are out of
 * reach of the registers. But runtime.asmcgocall has left on that stack how deep it was in the goroutine's stack, and
 * the goroutine (struct g: stack.lo, stack.hi, ...; sched from byte 56 on: sp, pc, g ...), which points to itself.
 * Looks at some words of the stack and sets go_at to the next; to the frame pointer to go on with once it is found.
 */
static inline void find_goroutine(struct thread_stack *stack) {
    for (u32 i = 0; i < WORDS_AT_ONCE; i++) {
        u64 at = stack->go_at, bounds[2] = {}, sched[7] = {};
        stack->go_at = at + 8;
        u64 depth = *(u64 *)(stack->memory + (at & (STACK_CHUNK * STACK_CHUNKS - 8)));
        u64 g = *(u64 *)(stack->memory + ((at + 8) & (STACK_CHUNK * STACK_CHUNKS - 8)));
        if (depth - 8 > 1 << 30 || g - 65536 >= (1ULL << 47) - 65536 || (depth | g) & 7) continue;
        if (bpf_probe_read_user(bounds, sizeof(bounds), (void *)g)) continue;
        if (bpf_probe_read_user(sched, sizeof(sched), (void *)(g + 56))) continue;
        if (sched[2] != g || sched[0] + depth != bounds[1] || sched[0] < bounds[0]) continue;
        stack->goroutine = g;
        stack->go_at = sched[5] ? sched[5] : sched[6]; /* bp; older Go has it behind lr, which x86-64 leaves 0 */
        if (!bpf_probe_read_user(stack->go_frames, 8, (void *)sched[0])) stack->go_found = 1;
        return;
    }
}

static inline void read_go_frames(struct thread_stack *stack) {
    for (u32 i = 1; i < SIGNAL_FRAMES; i++) {
        u64 pair[2] = {}, at = stack->go_at;
        if (bpf_probe_read_user(pair, sizeof(pair), (void *)at)) return;
        stack->go_frames[stack->go_found & (SIGNAL_FRAMES - 1)] = pair[1];
        stack->go_found++;
        if (pair[0] <= at) return; /* the outermost has none above it */
        stack->go_at = pair[0];
    }
}

/* Whether it is found, or nowhere; else this has to be called again for the next words: more the verifier does not do. */
static inline int search_goroutine(struct thread_stack *stack) {
    find_goroutine(stack);
    if (stack->goroutine) read_go_frames(stack);
    return stack->goroutine || stack->go_at + 16 > stack->memory_bytes;
}

/* How much of the memory is sent, as the verifier can see it. */
static inline u64 kept_bytes(struct thread_stack *stack) {
    u64 kept = stack->memory_bytes;
    asm volatile("" : "+r"(kept));
    kept &= 2 * STACK_CHUNK * STACK_CHUNKS - 1;
    return kept > STACK_CHUNK * STACK_CHUNKS ? STACK_CHUNK * STACK_CHUNKS : kept;
}

static inline void emit_stack(struct stack_record *record) {
    u64 kept = kept_bytes(THREAD_STACK_OF(record));
    stacks.ringbuf_output(record, STACK_HEADER + kept, BPF_RB_NO_WAKEUP);
}

/* Whether a failing call's stack is to be told. Its `part` says how many of its kind there were in this second. */
static inline int may_tell_stack(struct failure_record *failure) {
    u32 zero = 0;
    if (failure->abi != ABI_X86_64) return 0;
    struct stack_budget *budget = stack_budgets.lookup(&zero);
    if (!budget) return 0;
    if (failure->ts_ns - budget->since_ns >= BURST_WINDOW_NS) {
        budget->since_ns = failure->ts_ns;
        budget->told = 0;
    }
    if (budget->told >= STACKS_A_SECOND) return 0;
    if (budget->told >= STACKS_A_SECOND / 2 && failure->part > STACKS_OF_A_KIND && failure->part & (failure->part - 1))
        return 0;
    budget->told++;
    return 1;
}

/* The last thing that a program does. */
static inline void tell_stack(typed_context *ctx, struct failure_record *failure) {
    u32 zero = 0;
    struct stack_record *record = scratch_stack.lookup(&zero);
    if (!record) return;
    record->ts_ns = failure->ts_ns;
    record->pid = failure->pid;
    record->tid = failure->tid;
    record->ns_pid = failure->ns_pid;
    record->kind = KIND_STACK;
    record->part = 0;
    READ(record->registers, ctx[0]);
    read_stack(THREAD_STACK_OF(record), record->registers[19]);
    typed_tails.call(ctx, TAIL_STACK); /* comes back only where that program is not there */
    emit_stack(record);
}

/* Completes a failing call's stack and sends it. */
int on_stack_of_call(typed_context *ctx) {
    u32 zero = 0;
    struct stack_record *record = scratch_stack.lookup(&zero);
    if (!record) return 0;
    if (!search_goroutine(THREAD_STACK_OF(record))) typed_tails.call(ctx, TAIL_STACK);
    emit_stack(record);
    return 0;
}
