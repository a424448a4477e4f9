/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Hands over a failing call whose record is in scratch_failure: with its stack where a program's run is followed, or
 * only counted there where it comes too often; a refused exec with its argument vector.
 *
 * Overhead: 0.8 microseconds for the stack.
 */

/* The refused exec's argument vector: up to 24 strings in 4 KB. Pointers are `width` bytes wide. */
static inline void emit_failed_argv(struct tracked *who, u64 vector, u32 width) {
    u32 zero = 0;
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    if (!scratch) return;
    FILL(&scratch->record, who, KIND_TEXT);
    scratch->record.part = PART_FAILED_ARGV;
    scratch->record.flags = FLAG_TRUNCATED;
    scratch->used = 0;
    scratch->cut = 0;
    scratch->vector = vector;
    for (u32 i = 0; i < 24; i++) {
        u64 address = 0;
        u32 used = scratch->used;
        if (bpf_probe_read_user(&address, 8, (void *)scratch->vector)) break;
        if (width == 4) address &= 0xffffffff;
        if (!address) { scratch->record.flags = scratch->cut; break; }
        if (used > TEXT_CHUNK - 512) break;
        s32 length = bpf_probe_read_user_str(scratch->record.text + (used & (TEXT_CHUNK - 1)), 512, (void *)address);
        if (length <= 0) break;
        scratch->cut |= (u32)length >> 9; /* 1 if it is 512: FLAG_TRUNCATED, without a branch for the verifier */
        scratch->used = used + length;
        scratch->vector += width;
    }
    u32 used = scratch->used;
    scratch->record.bytes = used;
    asm volatile("" : "+r"(used));
    used &= TEXT_CHUNK - 1;
    if (live.ringbuf_output(scratch, TEXT_HEADER + used, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_TEXT);
}

static inline int is_exec(u32 nr, u32 abi) {
    if (abi == ABI_I386) return nr == 11 || nr == 358;
    if (abi == ABI_X32) return nr == 520 || nr == 545;
    return nr == 59 || nr == 322;
}

static inline void tell_failure(typed_context *ctx, struct tracked *who, struct failure_record *record) {
    u32 bytes = record->path1_bytes + record->path2_bytes, nr = record->nr, abi = record->abi;
    asm volatile("" : "+r"(bytes));
    bytes &= 2 * PATH_LIMIT - 1;
    int exec = is_exec(nr, abi);
#ifdef RUNNING
    if (!exec && folds(record, who, bytes)) return;
    s64 stack_bytes = bpf_get_stack(ctx, record->stack, sizeof(record->stack), BPF_F_USER_STACK);
    record->frames = stack_bytes > 0 ? stack_bytes / 8 : 0;
#endif
    if (!exec) {
        if (bulk.ringbuf_output(record, FAILURE_HEADER + bytes, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_FAILURE);
#ifdef RUNNING
        else if (may_tell_stack(record)) tell_stack(ctx, record);
#endif
        return;
    }
    int at = nr == 322 || nr == 358 || nr == 545;
    emit_failed_argv(who, record->args[at ? 2 : 1], abi == ABI_X86_64 ? 8 : 4);
    if (live.ringbuf_output(record, FAILURE_HEADER + bytes, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_EXEC);
#ifdef RUNNING
    else if (may_tell_stack(record)) tell_stack(ctx, record);
#endif
}

#ifdef RUNNING
/* A program of its own: else the verifier would go through all of this for each way in which a record is filled. */
int on_failure_record(typed_context *ctx) {
    u32 zero = 0;
    struct tracked *who = followed();
    struct failure_record *record = scratch_failure.lookup(&zero);
    if (who && record) tell_failure(ctx, who, record);
    return 0;
}
#endif

/* The last thing that a program does: where its record is handed over by another one, it does not come back. */
static inline void hand_over(typed_context *ctx, struct tracked *who, struct failure_record *record) {
#ifdef RUNNING
    typed_tails.call(ctx, TAIL_FAILURE);
    count(COUNTER_LOST_FAILURE);
#else
    tell_failure(ctx, who, record);
#endif
}
