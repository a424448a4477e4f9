/* Two calls of the loader come back to the same instruction, which crashes. The one never comes back: the constructor of
   the library argv[1], this file too, blocks. The other gives NULL: crashes_beside LIBRARY uses|divides */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define TOLD 9

#ifdef LIBRARY
__attribute__((constructor)) static void block(void) {
    if (write(TOLD, "x", 1) == 1) pause();
}
#else
typedef void *function(const char *, int);

/* Call a function with a name and RTLD_NOW; use what it gives, or divide that by zero. */
int uses(function *, const char *), divides(function *, const char *);

__asm__(".text\n"
        "uses: sub $8, %rsp; mov %rdi, %rax; mov %rsi, %rdi; mov $2, %esi; call *%rax; mov (%rax), %eax;"
        " add $8, %rsp; ret\n"
        "divides: sub $8, %rsp; mov %rdi, %rax; mov %rsi, %rdi; mov $2, %esi; call *%rax; idivl zero(%rip);"
        " add $8, %rsp; ret\n"
        ".data\nzero: .long 0\n.text\n");

static int (*crash)(function *, const char *);

static void *load(void *name) {
    crash(dlopen, name);
    return NULL;
}

int main(int argc, char **argv) {
    int ends[2];
    char byte;
    pthread_t loading;
    if (argc < 3 || pipe(ends) || dup2(ends[1], TOLD) < 0) return 2;
    crash = strcmp(argv[2], "divides") ? uses : divides;
    if (pthread_create(&loading, NULL, load, argv[1]) || read(ends[0], &byte, 1) != 1) return 3;
    return crash((function *)dlerror, NULL);
}
#endif
