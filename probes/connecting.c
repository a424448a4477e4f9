/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What became of a connect(2) that returned EINPROGRESS: how Go, and every program that does not wait, learns of it.
 *
 * Sees: the error that such a program asks for by getsockopt(SO_ERROR); it is told as the failure of the connect, with
 * the address that was given then (FLAG_IN_PROGRESS), and the stack of who asked. x86-64 calls only.
 * Caveats: who learns it otherwise (by another connect, or by a write) is not seen here. A descriptor whose connection
 * nobody asked about is remembered until it is used for another one, or 1024 others are newer.
 * Overhead: one comparison for each successful call of a followed process.
 */
#define NR_CONNECT 42
#define NR_GETSOCKOPT 55
#define IN_PROGRESS 115 /* EINPROGRESS */

/* How much of a socket address of that length is read; in a form that the verifier follows. */
static inline u32 address_bytes(u32 length) {
    if (length > ADDRESS_LIMIT) length = ADDRESS_LIMIT;
    asm volatile("" : "+r"(length));
    return length & 127;
}

static inline void on_connecting(struct pt_regs *regs) {
    u32 zero = 0;
    struct failure_record *record = scratch_failure.lookup(&zero);
    if (!record) return;
    struct connecting *one = (struct connecting *)record->text; /* room that nobody else needs now */
    struct socket_key key = {};
    u32 length = regs->dx;
    one->address_at = regs->si;
    one->length = length;
    one->unused = 0;
    key.tgid = bpf_get_current_pid_tgid() >> 32;
    key.descriptor = regs->di;
    if (bpf_probe_read_user(one->address, address_bytes(length), (void *)one->address_at)) return;
    connecting.update(&key, one);
}

static inline void on_socket_error(typed_context *ctx, struct tracked *who, struct pt_regs *regs) {
    if ((u32)regs->si != 1 /* SOL_SOCKET */ || (u32)regs->dx != 4 /* SO_ERROR */) return;
    struct socket_key key = {};
    key.tgid = bpf_get_current_pid_tgid() >> 32;
    key.descriptor = regs->di;
    struct connecting *one = connecting.lookup(&key);
    if (!one) return;
    u32 zero = 0, error = 0;
    struct failure_record *record = scratch_failure.lookup(&zero);
    if (!record || bpf_probe_read_user(&error, sizeof(error), (void *)regs->r10)) return;
    FILL(record, who, KIND_FAILURE);
    record->nr = NR_CONNECT;
    record->error = error;
    record->abi = ABI_X86_64;
    record->flags = FLAG_IN_PROGRESS;
    record->ip = regs->ip;
    record->args[0] = key.descriptor;
    record->args[1] = one->address_at;
    record->args[2] = one->length;
    record->args[3] = record->args[4] = record->args[5] = 0;
    record->path1_bytes = address_bytes(one->length);
    record->path2_bytes = 0;
    __builtin_memcpy(record->text, one->address, sizeof(one->address));
    connecting.delete(&key);
    if (error && error < 4096) hand_over(ctx, who, record);
}
