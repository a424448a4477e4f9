/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * Counts the system calls by which followed programs read a clock that the vDSO serves, by process and place in code.
 *
 * Sees: clock_gettime of such a clock, gettimeofday and time that succeed, of 64-bit code: whatever makes a 32-bit call
 * makes it through its vDSO. A healthy program makes none of them.
 * Caveats: of a process that made less than CLOCK_FEW calls at a place, and none for a second, the place may be
 * forgotten for another one's. Where both places of a call in the table are taken it is counted as lost.
 * Overhead: three comparisons for a successful call of a followed program; 0.3 microseconds for a read of a clock.
 */
#define READS_CLOCK(nr) ((nr) == 228 /* clock_gettime */ || (nr) == 96 /* gettimeofday */ || (nr) == 201 /* time */)
/* CLOCK_REALTIME, _MONOTONIC, _MONOTONIC_RAW, both _COARSE, _BOOTTIME, _TAI: lib/vdso/gettimeofday.c of the kernel. */
#define SERVED_CLOCKS (1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 11)
#define CLOCK_FEW 100
#define CLOCK_IDLE_NS 1000000000ULL
#define CLOCK_TAKEN(one, its, now) \
    ((one)->id != (its) && (one)->calls && ((one)->calls >= CLOCK_FEW || (now) - (one)->ts_ns < CLOCK_IDLE_NS))

static inline void on_clock_read(struct tracked *who, struct pt_regs *regs, u32 nr) {
    u64 ip = regs->ip;
    if (is_compat()) return; /* the number means another call */
    if (nr == 228) {
        u32 clock = regs->di;
        if (clock > 11 || !(SERVED_CLOCKS >> clock & 1)) return;
    }
    u64 now = bpf_ktime_get_ns(), id = MIXED(MIXED(ip, (u64)who->pid << 32 | nr), CLOCK_BITS);
    u32 place = id >> (64 - CLOCK_BITS);
    struct clock_reads *one = clock_reads.lookup(&place);
    if (one && CLOCK_TAKEN(one, id, now)) {
        place = (id >> (64 - 2 * CLOCK_BITS)) & ((1 << CLOCK_BITS) - 1);
        one = clock_reads.lookup(&place);
    }
    if (!one) return;
    if (CLOCK_TAKEN(one, id, now)) {
        count(COUNTER_LOST_CLOCK_READS);
        return;
    }
    if (one->id != id) {
        one->id = id;
        one->since_ns = now;
        one->calls = 0;
        one->ip = ip;
        one->nr = nr;
    }
    __sync_fetch_and_add(&one->calls, 1);
    FILL(one, who, KIND_CLOCK_READS);
}
