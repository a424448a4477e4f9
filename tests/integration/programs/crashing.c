/* Ends by a signal, two calls deep; argv[1] says how. Built with frame pointers. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int function(int);

static volatile int zero;
static const char *how;

__attribute__((noinline)) int inner(const char *what) {
    if (!strcmp(what, "write")) *(volatile int *)0x1234 = 5;
    if (!strcmp(what, "read")) return *(volatile int *)0x5678 + 1;
    if (!strcmp(what, "null-call")) return ((function *)(long)zero)(1) + 1;
    if (!strcmp(what, "illegal")) __asm__ volatile("ud2");
    if (!strcmp(what, "divide")) return 7 / zero + 1;
    if (!strcmp(what, "breakpoint")) __asm__ volatile("int3");
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "bus")) {
        FILE *file = tmpfile();
        volatile char *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
        return memory[8] + 1;
    }
    return 0;
}

__attribute__((noinline)) int outer(const char *what) { return inner(what) + 1; }

static void *in_a_thread(void *what) { return (void *)(long)outer(what); }

static void caught(int number) { _exit(2); }

__attribute__((noinline)) int failing(void) {
    long result;
    void *volatile frame = __builtin_frame_address(0); /* or a function that calls none gets no frame */
    (void)frame;
    __asm__ volatile("syscall" : "=a"(result) : "a"(3L /* close */), "D"(12345L) : "rcx", "r11", "memory");
    return (int)result;
}

__attribute__((noinline)) int calls_failing(void) { return failing() + 1; }

int main(int argc, char **argv) {
    how = argv[1];
    if (argc > 2 && !strcmp(argv[2], "caught")) signal(SIGSEGV, caught);
    if (argc > 2 && !strcmp(argv[2], "ignored")) signal(SIGSYS, SIG_IGN), raise(SIGSYS);
    if (argc > 2 && !strcmp(argv[2], "thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, in_a_thread, (void *)how);
        pthread_join(thread, NULL);
    }
    if (!strcmp(how, "wait")) pause();
    if (!strcmp(how, "fail")) return calls_failing() == 0;
    return outer(how) == 0;
}
