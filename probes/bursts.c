/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Counts failing calls of one kind that come too fast to be told one by one, so that a program that retries in a loop
 * fills neither a ring buffer nor a disk: some hundred a second are told, the others are counted, none is lost.
 *
 * Sees: calls of one process with one number, error, place in code, and path (its length, its first 128 bytes and its
 * last seven). Where both places of a kind in the table are taken by others, it is told call by call.
 * Caveats: arguments that are no path may differ; those of the calls that were told stand for the others.
 * Overhead: a look-up and some twenty multiplications for a failing call; one that is folded is spared its stack.
 */
#define BURST_WINDOW_NS 1000000000ULL
#define BURST_LIMIT 500 /* in a window */
#define BURST_WORDS 16  /* of the path */
#define TAKEN(one, its, now) \
    ((one)->id != (its) && ((one)->folded || (now) - (one)->since_ns < BURST_WINDOW_NS)) /* by another kind */
#define MIXED(hash, word) ((((hash) ^ (word)) * 0x9e3779b97f4a7c15ULL) ^ ((hash) >> 29))

/* The hash is made in scratch->vector, and scratch->used goes through the path: see struct text_scratch. */
static inline u64 burst_id(struct text_scratch *scratch, struct failure_record *record, u32 bytes) {
    scratch->vector = MIXED(record->ip, (u64)record->pid << 32 | record->nr);
    scratch->vector = MIXED(scratch->vector, (u64)record->error << 32 | record->abi << 16 | bytes);
    scratch->left = bytes;
    scratch->used = 0;
    for (u32 i = 0; i < BURST_WORDS; i++) {
        u32 at = scratch->used;
        if (at + 8 > scratch->left) break;
        scratch->vector = MIXED(scratch->vector, *(u64 *)(record->text + (at & (8 * BURST_WORDS - 1))));
        scratch->used = at + 8;
    }
    u32 rest = bytes & 7, at = bytes & (2 * PATH_LIMIT - 8);
    u64 word = *(u64 *)(record->text + at);
    scratch->vector = MIXED(scratch->vector, word & ((1ULL << (8 * rest)) - 1)); /* beyond is an earlier call's */
    return scratch->vector;
}

/* Whether this call is only counted. If not, `part` says how many of its kind there were in this second; 0: unknown. */
static inline int folds(struct failure_record *record, struct tracked *who, u32 bytes) {
    u32 zero = 0;
    struct text_scratch *scratch = scratch_text.lookup(&zero);
    if (!scratch) return 0;
    u64 id = burst_id(scratch, record, bytes), now = record->ts_ns;
    u32 place = id >> (64 - BURST_BITS);
    record->burst = id;
    struct burst *one = bursts.lookup(&place);
    if (one && TAKEN(one, id, now)) {
        place = (id >> (64 - 2 * BURST_BITS)) & ((1 << BURST_BITS) - 1);
        one = bursts.lookup(&place);
    }
    if (!one || TAKEN(one, id, now)) return 0;
    if (one->id != id) {
        one->id = id;
        one->since_ns = now;
        record->part = one->seen = 1;
        return 0;
    }
    if (now - one->since_ns >= BURST_WINDOW_NS) {
        one->since_ns = now;
        record->part = one->seen = 1;
        return 0;
    }
    if (one->seen < BURST_LIMIT) {
        record->part = ++one->seen;
        return 0;
    }
    __sync_fetch_and_add(&one->folded, 1);
    FILL(one, who, KIND_BURST);
    one->ip = record->ip;
    one->nr = record->nr;
    one->error = record->error;
    one->abi = record->abi;
    return 1;
}
