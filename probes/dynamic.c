/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * dlopen, dlmopen, dlsym, dlvsym and dlerror of followed processes, as they return.
 *
 * Sees: arguments, result, caller. Attached to the first instruction of each function and to every RET it can end
 * with, never by a uretprobe: that changes the return address, by which glibc and musl find out who calls
 * (RTLD_NEXT fails or loops, RUNPATH of the caller is not searched). Entry and return find each other by thread, stack
 * pointer and function, so a RET that the function shares with others is harmless.
 * The attachment's cookie is the function (DL_), and RETURNS for a return.
 * Caveats: names are read at the return, when their page is resident; 1 KB of them is kept. A dlerror that returns NULL
 * is an event only where another call of the process has failed and nobody has asked why, so there are never more of
 * them than failures. A call that never returns (its constructor ends the process) is no event.
 * Overhead: two breakpoint traps, about 13 microseconds in a virtual machine, for each call of any process that uses the
 * same library file, followed or not.
 */
#define DL_OPEN 1
#define DL_MOPEN 2
#define DL_SYM 3
#define DL_VSYM 4
#define DL_ERROR 5
#define DL_RETURNS 8

static u64 (*attach_cookie)(void *ctx) = (void *)174; /* Linux 5.15 */

static inline void on_dl_entry(struct pt_regs *ctx, struct dl_key *key) {
    struct dl_call call = {};
    call.began_ns = bpf_ktime_get_ns();
    call.first = ctx->di;
    call.second = ctx->si;
    call.third = ctx->dx;
    bpf_probe_read_user(&call.caller, 8, (void *)ctx->sp);
    if (dl_calls.update(key, &call)) count(COUNTER_LOST_DL_CALL);
}

/* A macro, for records of both lengths. */
#define FILL_DL_CALL(record, who, call, function, value) do { \
    FILL(record, who, KIND_DL_CALL); \
    (record)->part = (function); \
    (record)->began_ns = (call)->began_ns; \
    (record)->handle = (call)->first; \
    (record)->flags = (function) == DL_OPEN ? (call)->second : (function) == DL_MOPEN ? (call)->third : 0; \
    (record)->result = (value); \
    (record)->caller = (call)->caller; \
    (record)->name_bytes = (record)->version_bytes = 0; } while (0)

/* Whether it was one for a short record. Uprobes are no place for per-CPU memory: another may come in between. */
static inline int emit_short(struct dl_call *call, struct tracked *who, u32 function, u64 result, u64 name) {
    struct short_dl_record record = {};
    FILL_DL_CALL(&record, who, call, function, result);
    s32 length = 0, of_version = 0;
    if (name) {
        length = bpf_probe_read_user_str(record.text, SHORT_NAME_LIMIT, (void *)name);
        if (length <= 0 || length >= SHORT_NAME_LIMIT) return 0;
    }
    u64 used = length;
    asm volatile("" : "+r"(used));
    used &= SHORT_NAME_LIMIT - 1;
    if (function == DL_VSYM) {
        of_version = bpf_probe_read_user_str(record.text + used, SHORT_VERSION_LIMIT, (void *)call->third);
        if (of_version <= 0 || of_version >= SHORT_VERSION_LIMIT) return 0;
    }
    record.name_bytes = used;
    record.version_bytes = of_version;
    used += of_version;
    asm volatile("" : "+r"(used));
    if (used > sizeof(record.text)) return 0;
    if (live.ringbuf_output(&record, DL_HEADER + used, BPF_RB_NO_WAKEUP)) count(COUNTER_LOST_DL_CALL);
    return 1;
}

static inline void emit_long(struct dl_call *call, struct tracked *who, u32 function, u64 result, u64 name) {
    struct dl_record *record = live.ringbuf_reserve(sizeof(struct dl_record));
    if (!record) {
        count(COUNTER_LOST_DL_CALL);
        return;
    }
    FILL_DL_CALL(record, who, call, function, result);
    s32 length = bpf_probe_read_user_str(record->text, NAME_LIMIT, (void *)name);
    if (length <= 0) { /* an event without it would say something else */
        live.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
        count(COUNTER_LOST_DL_CALL);
        return;
    }
    record->name_bytes = length;
    if (function == DL_VSYM) {
        u64 used = length;
        asm volatile("" : "+r"(used));
        used &= 2 * NAME_LIMIT - 1;
        if (used > NAME_LIMIT) used = NAME_LIMIT;
        length = bpf_probe_read_user_str(record->text + used, VERSION_LIMIT, (void *)call->third);
        if (length > 0) record->version_bytes = length;
    }
    live.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/*
 * Whether to tell of it: of each call but a dlerror that has no error to tell, and which nobody may have meant to ask.
 * Failures are counted and not marked: each of them may be asked about by a thread that was told of none.
 */
static inline int is_to_tell(struct tracked *who, u32 function, u64 result) {
    if (function != DL_ERROR) {
        if (!result) __sync_fetch_and_add(&who->unasked, 1);
        return 1;
    }
    if (who->unasked > 0) {
        __sync_fetch_and_add(&who->unasked, -1);
        return 1;
    }
    return result != 0;
}

static inline void on_dl_return(struct pt_regs *ctx, struct dl_key *key, struct tracked *who, u32 function) {
    struct dl_call *call = dl_calls.lookup(key);
    u64 result = ctx->ax;
    if (!call) return;
    u64 name = function == DL_OPEN ? call->first : function == DL_ERROR ? result : call->second;
    if (is_to_tell(who, function, result) && !emit_short(call, who, function, result, name))
        emit_long(call, who, function, result, name);
    dl_calls.delete(key);
}

int on_dl_call(struct pt_regs *ctx) {
    struct tracked *who = followed();
    if (!who) return 0;
    u32 cookie = attach_cookie(ctx);
    struct dl_key key = {.sp = ctx->sp, .tid = (u32)bpf_get_current_pid_tgid(), .function = cookie & 7};
    if (cookie & DL_RETURNS) on_dl_return(ctx, &key, who, cookie & 7);
    else on_dl_entry(ctx, &key);
    return 0;
}
