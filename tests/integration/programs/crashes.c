/* How a program dies: crashes null (uses what dlsym did not find), abort, illegal, sent (a signal by kill), ignored. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static int uses(const char *symbol) {
    return *(volatile int *)dlsym(RTLD_DEFAULT, symbol);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "null")) return uses("nothing");
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "illegal")) __asm__ volatile("ud2");
    if (!strcmp(how, "sent")) return kill(getpid(), SIGBUS), 0;
    if (!strcmp(how, "ignored")) return signal(SIGSEGV, SIG_IGN), raise(SIGSEGV), 9;
    return 2;
}
