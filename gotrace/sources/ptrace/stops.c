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
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GONE = 1, HALTED, BORN, EXECUTING, EXECUTED, REFUSED, WRITING, WROTE, FAILED, SIGNALLED, CLOCKED };
enum { KIND_FAILURE, KIND_EXEC, KIND_WRITE, KIND_CLONE, KIND_CLONE3, KIND_FILTER, KIND_CLOCK, KIND_NONE = 255 };
enum { NOTHING_NOW = 0, A_STOP = 1, NO_TRACEE = -1 };

#define MARKS 8192
#define ABI_I386 4096 /* bit of a mark */
#define NUMBERS ABI_I386 /* below it */
#define LARGEST_TID (1 << 22) /* PID_MAX_LIMIT, include/linux/threads.h */
#define PATH_LIMIT 4096
#define PAGE 4096
#define MOST_WAITING 1024
#define LOOKS_AT_ALL 8 /* each such look */
#define MOST_LOOKS 256 /* who does not wait has something else to do */
#define AN_ADDRESS 128  /* bit of `path1`: no path is there but a socket's address, and behind it its length */
#define LONGEST_ADDRESS 110 /* struct sockaddr_un */
#define MOST_FRAMES 12 /* FAILURE_FRAMES of probes/records.h */
#define WINDOW 2048    /* bytes of a stack that are read at once */
#define CODE_SEGMENT_32 0x23 /* __USER32_CS, arch/x86/include/asm/segment.h */

/* `harmless`: errors that healthy programs get of it all the time, and 0 where there are fewer. */
struct call { uint8_t kind, path1, path2, unused, harmless[4]; };

struct stop {
    int32_t what, tid, status;
    uint32_t mark;
    uint64_t message;
    int64_t result;
    uint64_t ip, args[6];
    uint32_t path1_bytes, path2_bytes, frames, unused;
    uint64_t stack[MOST_FRAMES]; /* as many as `frames` says; so it is with `text` */
    char text[2 * PATH_LIMIT];
};

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

/* A piece of a stack. It is read along with a path, where there is one: each reading costs several microseconds. */
static struct { uint64_t start; size_t have, wanted; char bytes[WINDOW]; } window;

static void want_stack(uint64_t frame, size_t least) {
    size_t most = PAGE - (frame & (PAGE - 1)); /* beyond it may be unmapped memory */
    window.start = frame, window.have = 0, window.wanted = most > WINDOW ? WINDOW : most < least ? least : most;
}

/* The string at `address` with its NUL, cut to PATH_LIMIT bytes; 0 where it cannot be read. */
static uint32_t read_string(pid_t tid, uint64_t address, char *into) {
    uint32_t have = 0;
    while (address && have < PATH_LIMIT - 1) {
        size_t size = PAGE - (address & (PAGE - 1)), most = have ? PAGE : 256;
        if (size > most) size = most;
        if (size > PATH_LIMIT - 1 - have) size = PATH_LIMIT - 1 - have;
        struct iovec here[] = {{into + have, size}, {window.bytes, window.wanted}};
        struct iovec there[] = {{(void *)address, size}, {(void *)window.start, window.wanted}};
        ssize_t got = process_vm_readv(tid, here, 2, there, 2, 0);
        if (got <= 0) return 0;
        if ((size_t)got > size) window.have = got - size, got = size;
        window.wanted = 0;
        char *end = memchr(into + have, 0, got);
        if (end) return end - into + 1;
        have += got;
        address += got;
    }
    if (have) into[have++] = 0;
    return have;
}

/* The address of a socket that is an argument; 0 where it cannot be read. compiled.py looks for this function. */
uint32_t read_address(struct stop *stop, int position) {
    uint32_t length = stop->args[position];
    struct iovec here = {stop->text, length > LONGEST_ADDRESS ? LONGEST_ADDRESS : length};
    struct iovec there = {(void *)stop->args[position - 1], here.iov_len};
    ssize_t got = process_vm_readv(stop->tid, &here, 1, &there, 1, 0);
    return got == (ssize_t)here.iov_len ? got : 0;
}

static int read_registers(struct stop *stop, struct user_regs_struct *regs) {
    memset(stop->args, 0, sizeof stop->args);
    if (ptrace(PTRACE_GETREGS, stop->tid, 0, regs)) return -1;
    stop->ip = regs->rip;
    if (stop->mark & ABI_I386) {
        uint64_t args[] = {regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp};
        for (int i = 0; i < 6; i++) stop->args[i] = (uint32_t)args[i];
    } else {
        uint64_t args[] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
        memcpy(stop->args, args, sizeof args);
    }
    return 0;
}

/* Who made the call: see frames.py. Frames lie near each other, so most of them come with the first one. */
static void read_stack(struct stop *stop, uint64_t frame, size_t size) {
    stop->stack[0] = stop->ip;
    for (stop->frames = 1; stop->frames < MOST_FRAMES; stop->frames++) {
        if (window.have < size || frame < window.start || frame - window.start > window.have - size) {
            if (frame == window.start && !window.wanted) return; /* that was tried along with a path */
            want_stack(frame, size);
            struct iovec here = {window.bytes, window.wanted}, there = {(void *)frame, window.wanted};
            ssize_t got = process_vm_readv(stop->tid, &here, 1, &there, 1, 0);
            if (got < (ssize_t)size) return;
            window.have = got;
        }
        const char *at = window.bytes + (frame - window.start);
        frame = stop->stack[stop->frames] = 0;
        memcpy(&frame, at, size / 2);
        memcpy(&stop->stack[stop->frames], at + size / 2, size / 2);
    }
}

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
    ptrace(go_on, tid, 0, 0);
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

/* Whether memory can be read as read_string does it: old filters of containers forbid it, and allow /proc/PID/mem. */
int can_read(void) {
    char from = 1, into = 0;
    struct iovec here = {&into, 1}, there = {&from, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
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
