/* SPDX-License-Identifier: MIT
 *
 * The loop of stops.py in C: a stop that says nothing costs about a microsecond of it here, ten there.
 *
 * A plain shared object without Python's headers, loaded through ctypes; `layout_of_stop` lets the loader check that
 * both sides mean the same. What the numbers mean is said in stops.py and calls.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "stop.h"

enum { KIND_FAILURE, KIND_EXEC, KIND_WRITE, KIND_CLONE, KIND_CLONE3, KIND_FILTER, KIND_CLOCK, KIND_NONE = 255 };
enum { NOTHING_NOW = 0, A_STOP = 1, NO_TRACEE = -1 };

#define MARKS 8192
#define NUMBERS ABI_I386 /* below it */
#define LARGEST_TID (1 << 22) /* PID_MAX_LIMIT, include/linux/threads.h */
#define MOST_WAITING 1024
#define LOOKS_AT_ALL 8 /* each such look */
#define MOST_LOOKS 256 /* who does not wait has something else to do */
#define AN_ADDRESS 128 /* bit of `path1`: no path is there but a socket's address, and behind it its length */
#define CODE_SEGMENT_32 0x23 /* __USER32_CS, arch/x86/include/asm/segment.h */
#define MOST_HELD 1000 /* as in stops.py */

/* `harmless`: errors that healthy programs get of it all the time, and 0 where there are fewer. */
struct call { uint8_t kind, path1, path2, unused, harmless[4]; };

/* Those that were set, and those without a name; the kind of all others is KIND_NONE. */
static struct call calls[MARKS];
/* The call each thread is in, and 1 so that 0 is none; only pages of living threads are ever touched. */
static uint16_t entered[LARGEST_TID];

/* Signals whose delivery is told, a bit for each number; none in a build. */
static uint32_t told_signals;

/* How a tracee is let go on: PTRACE_SYSCALL where a filter may refuse calls before ours is asked, else PTRACE_CONT. */
int go_on = PTRACE_CONT;
/* Tracees have no filter of ours: calls are told of when they are entered. */
static int by_entry;

const uint32_t layout_of_stop[] = {sizeof(struct stop), __builtin_offsetof(struct stop, text), MARKS, PATH_LIMIT};

static void know_none(void) {
    static int done;
    if (!done++) memset(calls, KIND_NONE, sizeof calls);
}

void set_call(uint32_t mark, int kind, int path1, int path2) {
    know_none();
    if (mark < MARKS) calls[mark] = (struct call){kind, path1, path2, 0, {0}};
}

/* One more error of a known call that says nothing. */
void set_harmless(uint32_t mark, int error) {
    for (int i = 0; mark < MARKS && i < 4; i++) {
        if (!calls[mark].harmless[i]) { calls[mark].harmless[i] = error; return; }
    }
}

/* Calls of an ABI from this number on have no name, and their failures are told. */
void set_nameless(uint32_t abi, uint32_t number) {
    for (; number < NUMBERS; number++) set_call(abi + number, KIND_FAILURE, 0, 0);
}

void follow_all_calls(int all, int at_entry) {
    go_on = all ? PTRACE_SYSCALL : PTRACE_CONT;
    by_entry = at_entry;
}
void tell_signals(uint32_t numbers) { told_signals = numbers; }

/* A new child or thread must not be untraced: see calls.py. */
static void take_untraced_away(pid_t tid, uint32_t mark) {
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, 0, &regs)) return;
    unsigned long long *first = mark & ABI_I386 ? &regs.rbx : &regs.rdi;
    if (calls[mark].kind == KIND_CLONE) {
        *first &= ~(unsigned long long)CLONE_UNTRACED;
        ptrace(PTRACE_SETREGS, tid, 0, &regs);
        return;
    }
    errno = 0;
    long flags = ptrace(PTRACE_PEEKDATA, tid, *first, 0);
    if (!errno && flags & CLONE_UNTRACED) ptrace(PTRACE_POKEDATA, tid, *first, flags & ~(long)CLONE_UNTRACED);
}

static int is_clone(int kind) {
    return kind == KIND_CLONE || kind == KIND_CLONE3;
}

/* Of such a call only the failure is told. */
static int may_fail(int kind) {
    return kind == KIND_FAILURE || kind == KIND_FILTER || is_clone(kind);
}

static int is_harmless(const struct call *call, int64_t error) {
    return error < 256 && memchr(call->harmless, error, sizeof call->harmless);
}

/* So many failing calls a second wait until somebody has looked at their stacks. compiled.py looks for this function. */
int may_hold(void) {
    static time_t second;
    static unsigned held;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_sec != second) second = now.tv_sec, held = 0;
    return held++ < MOST_HELD;
}

/* Whether a call that reads a clock would be none where the vDSO serves: see calls.py. */
int asks_the_vdso(uint64_t number, uint64_t clock) {
    const uint32_t served = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 11;
    uint32_t id = clock; /* clockid_t is an int */
    return number != SYS_clock_gettime || (id < 32 && served >> id & 1);
}

/* The mark of a call; MARKS where it is none that has one. */
static uint32_t mark_of(uint64_t number, uint32_t architecture) {
    if (number >= NUMBERS || (architecture != AUDIT_ARCH_X86_64 && architecture != AUDIT_ARCH_I386)) return MARKS;
    return number | (architecture == AUDIT_ARCH_I386 ? ABI_I386 : 0);
}

/* That of the call that it comes from, by its registers. */
static uint32_t mark_of_former(pid_t tid, uint32_t architecture) {
    struct user_regs_struct regs;
    return ptrace(PTRACE_GETREGS, tid, 0, &regs) ? MARKS : mark_of(regs.orig_rax, architecture);
}

/* A call is about to begin. Says whether that is to be told. */
static int enter(struct stop *stop, unsigned long mark, int recording) {
    struct user_regs_struct regs;
    pid_t tid = stop->tid;
    stop->mark = mark;
    int kind = mark < MARKS ? calls[mark].kind : KIND_NONE;
    if (is_clone(kind)) take_untraced_away(tid, mark);
    if (kind == KIND_NONE || (is_clone(kind) && !told_signals) || !recording) {
        entered[tid] = 0;
        ptrace(go_on, tid, 0, 0);
        return 0;
    }
    if (kind == KIND_CLOCK) {
        stop->what = CLOCKED;
        read_registers(stop, &regs);
        entered[tid] = 0;
        ptrace(go_on, tid, 0, 0);
        return 1;
    }
    if (kind == KIND_FILTER) go_on = PTRACE_SYSCALL;
    entered[tid] = mark + 1;
    if (may_fail(kind)) {
        ptrace(PTRACE_SYSCALL, tid, 0, 0);
        return 0;
    }
    stop->what = kind == KIND_EXEC ? EXECUTING : WRITING;
    read_registers(stop, &regs);
    return 1;
}

/* A stop of PTRACE_SYSCALL: on the way into a call, or out of it. Says whether that is to be told. */
static int at_call(struct stop *stop, int recording) {
    struct ptrace_syscall_info info;
    pid_t tid = stop->tid;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof info, &info) <= 0) goto boring;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && by_entry) {
        uint32_t entering = mark_of(info.entry.nr, info.arch);
        int its = entering < MARKS ? calls[entering].kind : KIND_NONE;
        int of_socket = info.entry.args[1] == SOL_SOCKET && info.entry.args[2] == SO_ERROR;
        int ours = info.entry.nr == SYS_getsockopt ? of_socket : info.entry.args[0] == 2 /* stderr */;
        int elsewhere = its == KIND_WRITE && !ours;
        int otherwise = its == KIND_CLOCK && !asks_the_vdso(info.entry.nr, info.entry.args[0]);
        return enter(stop, elsewhere || otherwise ? MARKS : entering, recording);
    }
    if (info.op != PTRACE_SYSCALL_INFO_EXIT) goto boring;
    uint32_t mark = entered[tid];
    entered[tid] = 0;
    int refused = !mark && info.exit.is_error && recording; /* it never came to our filter */
    if (!mark && !refused) goto boring;
    mark = refused ? mark_of_former(tid, info.arch) : mark - 1;
    if (mark >= MARKS || calls[mark].kind == KIND_NONE || (refused && !may_fail(calls[mark].kind))) goto boring;
    struct call call = calls[mark];
    int64_t result = info.exit.rval;
    if (call.kind == KIND_WRITE ? info.exit.is_error : !info.exit.is_error) goto boring;
    if (info.exit.is_error && -result >= 512 && -result <= 530) goto boring; /* interrupted, and begun anew */
    if (may_fail(call.kind) && is_harmless(&call, -result)) goto boring;
    stop->mark = mark;
    stop->result = result < 0 ? -result : result;
    struct user_regs_struct regs;
    if (read_registers(stop, &regs)) goto boring;
    if (!may_fail(call.kind)) {
        stop->what = call.kind == KIND_WRITE ? WROTE : REFUSED;
        return 1;
    }
    stop->what = FAILED;
    int of_32_bits = regs.cs == CODE_SEGMENT_32;
    uint64_t frame = of_32_bits ? (uint32_t)regs.rbp : regs.rbp, size = of_32_bits ? 8 : 16;
    if (told_signals) want_stack(frame, size);
    if (call.path1 & AN_ADDRESS) stop->path1_bytes = read_address(stop, call.path1 & ~AN_ADDRESS);
    else stop->path1_bytes = call.path1 ? read_string(tid, stop->args[call.path1 - 1], stop->text) : 0;
    stop->path2_bytes = call.path2 ? read_string(tid, stop->args[call.path2 - 1], stop->text + stop->path1_bytes) : 0;
    if (told_signals) read_stack(stop, frame, size);
    stop->held = told_signals && !of_32_bits && !(mark & ABI_I386) && may_hold();
    if (!stop->held) ptrace(go_on, tid, 0, 0);
    return 1;
boring:
    ptrace(go_on, tid, 0, 0);
    return 0;
}

static int tell_message(struct stop *stop, int what) {
    stop->what = what;
    if (ptrace(PTRACE_GETEVENTMSG, stop->tid, 0, &stop->message)) stop->message = 0;
    return 1;
}

static int look(struct stop *stop, int status, int recording) {
    pid_t tid = stop->tid;
    if (!WIFSTOPPED(status)) {
        entered[tid] = 0;
        stop->what = GONE;
        stop->status = status;
        return 1;
    }
    int event = status >> 16, number = WSTOPSIG(status);
    if (event == PTRACE_EVENT_SECCOMP) {
        unsigned long mark = MARKS;
        if (ptrace(PTRACE_GETEVENTMSG, tid, 0, &mark)) mark = MARKS;
        return enter(stop, mark, recording);
    }
    if (number == (SIGTRAP | 0x80)) return at_call(stop, recording);
    int told = !event && number < 32 && told_signals >> number & 1;
    if (told || event == PTRACE_EVENT_STOP) {
        stop->what = told ? SIGNALLED : HALTED;
        stop->status = number;
        return 1;
    }
    if (event == PTRACE_EVENT_EXEC) {
        tell_message(stop, EXECUTED);
        entered[tid] = 0;
        if (stop->message < LARGEST_TID) entered[stop->message] = 0;
        return 1;
    }
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        tell_message(stop, BORN);
        stop->status = event;
        entered[tid] = 0;
        ptrace(go_on, tid, 0, 0);
        return stop->message != 0;
    }
    ptrace(go_on, tid, 0, event ? 0 : (long)number);
    return 0;
}

/* All who wait for us now, each once; served before anybody is looked for again. */
static struct { pid_t tid; int status; } waiting[MOST_WAITING];
static unsigned waiting_now, served;

/* wait4 tells of the newest tracee first: where that one stops all the time it would tell of no other. So all who wait
   are taken down, but not each time: asking until nobody is left costs an eighth of a stop. */
static int look_around(int wait) {
    static unsigned looks;
    unsigned most = ++looks % LOOKS_AT_ALL ? 1 : MOST_WAITING;
    waiting_now = served = 0;
    while (waiting_now < most) {
        int status;
        pid_t tid = wait4(-1, &status, __WALL | (wait && !waiting_now ? 0 : WNOHANG), NULL);
        if (tid < 0 && errno == EINTR) continue;
        if (tid <= 0) return waiting_now ? A_STOP : tid ? NO_TRACEE : NOTHING_NOW;
        if (tid >= LARGEST_TID) continue;
        waiting[waiting_now].tid = tid;
        waiting[waiting_now++].status = status;
    }
    return A_STOP;
}

/* While others were served a thread may have executed a program and taken the id of this one over, which is gone. */
static int is_another_now(pid_t tid, int status) {
    const int executed = SIGTRAP | PTRACE_EVENT_EXEC << 8;
    siginfo_t now;
    return WIFSTOPPED(status) && status >> 8 != executed && !ptrace(PTRACE_GETSIGINFO, tid, 0, &now) &&
           now.si_code == executed;
}

/* What there is to tell of one wait status. */
int look_at(struct stop *stop, int tid, int status, const volatile uint64_t *recording) {
    memset(stop, 0, __builtin_offsetof(struct stop, stack));
    stop->tid = tid;
    return look(stop, status, *recording != 0);
}

/* The next stop that says something. `recording` is shared with whoever reads the records. */
int next_stop(struct stop *stop, int wait, const volatile uint64_t *recording) {
    for (unsigned looks = 0; wait || looks < MOST_LOOKS; looks++) {
        if (served == waiting_now) {
            int found = look_around(wait);
            if (found != A_STOP) return found;
        }
        pid_t tid = waiting[served].tid;
        int status = waiting[served++].status;
        if (served > 1 && is_another_now(tid, status)) continue;
        if (look_at(stop, tid, status, recording)) return A_STOP;
    }
    return NOTHING_NOW;
}
