/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Signals that end a program unless it is caught, at the moment of their delivery to a thread of a followed process.
 *
 * Sees: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and SIGSYS, also those that the program catches (Go catches
 * them all and exits with status 2): code, address or sender, handler, registers, the thread's last exception, the
 * instruction's bytes, return addresses by frame pointers (of the goroutine that called into C as well), and up to 8 KB
 * of the stack from the stack pointer on.
 * Caveats: code that keeps no frame pointers breaks the chain of return addresses; memory that is not resident, or is
 * not mapped, ends what is read of the stack. A signal that the program ignores is none.
 * Overhead: a few microseconds for each such signal, nothing otherwise.
 */
#define OBSERVED_SIGNALS (1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 11 | 1u << 31)

static long (*task_pt_regs)(void *task) = (void *)175; /* Linux 5.15 */

static inline u32 read_instruction(struct signal_record *record, u64 ip) {
    u64 left = 4096 - (ip & 4095);
    if (!bpf_probe_read_user(record->instruction, INSTRUCTION_BYTES, (void *)ip)) return INSTRUCTION_BYTES;
    if (left >= INSTRUCTION_BYTES) return 0;
    asm volatile("" : "+r"(left));
    left &= INSTRUCTION_BYTES - 1;
    return bpf_probe_read_user(record->instruction, left, (void *)ip) ? 0 : left;
}

static inline void emit_signal(struct signal_record *record) {
    u64 kept = kept_bytes(THREAD_STACK_OF(record));
    if (live.ringbuf_output(record, SIGNAL_HEADER + kept, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_SIGNAL);
}

/* Completes a signal's record and sends it. Called again for the next words: the verifier follows so many, not more. */
int on_goroutine(struct bpf_raw_tracepoint_args *ctx) {
    u32 zero = 0;
    struct signal_record *record = scratch_signal.lookup(&zero);
    if (!record) return 0;
    if (!search_goroutine(THREAD_STACK_OF(record))) tail_programs.call((void *)ctx, TAIL_GOROUTINE);
    emit_signal(record);
    return 0;
}

int on_signal(struct bpf_raw_tracepoint_args *ctx) {
    struct tracked *who = followed();
    if (!who) return 0;
    u32 signal = ctx->args[0], zero = 0;
    if (signal > 31 || !(OBSERVED_SIGNALS & (1u << (signal & 31)))) return 0;
    char *info = (char *)ctx->args[1], *task = (char *)bpf_get_current_task();
    u64 handler = 0;
    READ(handler, ctx->args[2]); /* struct k_sigaction begins with it */
    if (handler == 1 /* SIG_IGN */) return 0;
    struct signal_record *record = scratch_signal.lookup(&zero);
    if (!record) return 0;
    FILL(record, who, KIND_SIGNAL);
    record->signal = signal;
    record->handler = handler;
    READ(record->code, info + OFFSET_kernel_siginfo_si_code);
    READ(record->address, info + OFFSET_kernel_siginfo__sifields);
    READ(record->error_code, task + OFFSET_task_struct_thread + OFFSET_thread_struct_error_code);
    READ(record->trap, task + OFFSET_task_struct_thread + OFFSET_thread_struct_trap_nr);
    struct pt_regs *regs = (struct pt_regs *)task_pt_regs(current_task_btf());
    READ(record->registers, regs);
    u64 ip = record->registers[16], sp = record->registers[19];
    record->instruction_bytes = read_instruction(record, ip);
    s64 bytes = bpf_get_stack(ctx, record->frames, sizeof(record->frames), BPF_F_USER_STACK);
    record->stack_bytes = bytes > 0 ? bytes : 0;
    read_stack(THREAD_STACK_OF(record), sp);
    tail_programs.call((void *)ctx, TAIL_GOROUTINE); /* comes back only where that program is not there */
    emit_signal(record);
    return 0;
}
