/* SPDX-License-Identifier: MIT
 *
 * What is read of a thread that stands still: registers, texts that its call names, return addresses.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stop.h"

#define PAGE 4096
#define WINDOW 2048         /* bytes of a stack that are read at once */
#define LONGEST_ADDRESS 110 /* struct sockaddr_un */

/* A piece of a stack. It is read along with a path, where there is one: each reading costs several microseconds. */
static struct { uint64_t start; size_t have, wanted; char bytes[WINDOW]; } window;

void want_stack(uint64_t frame, size_t least) {
    size_t most = PAGE - (frame & (PAGE - 1)); /* beyond it may be unmapped memory */
    window.start = frame, window.have = 0, window.wanted = most > WINDOW ? WINDOW : most < least ? least : most;
}

/* The string at `address` with its NUL, cut to PATH_LIMIT bytes; 0 where it cannot be read. */
uint32_t read_string(pid_t tid, uint64_t address, char *into) {
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

int read_registers(struct stop *stop, struct user_regs_struct *regs) {
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
void read_stack(struct stop *stop, uint64_t frame, size_t size) {
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

/* Whether memory can be read as read_string does it: old filters of containers forbid it, and allow /proc/PID/mem. */
int can_read(void) {
    char from = 1, into = 0;
    struct iovec here = {&into, 1}, there = {&from, 1};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}
