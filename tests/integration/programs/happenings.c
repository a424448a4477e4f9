/* Does each thing a prime number of times, 23, so that a test can count what a tracer saw. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES = 23 };

/* access(2) of the 32-bit table (number 33): its path must lie below 4 GB, so the program is linked -no-pie. */
static int access_i386(const char *path) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(33L), "b"(path), "c"(0L) : "memory");
    return (int)result;
}

static char low_path[] = "/nowhere/i386";

int main(void) {
    for (int i = 0; i < TIMES; i++) {
        syscall(SYS_access, "/nowhere/access", F_OK);
        syscall(SYS_renameat2, AT_FDCWD, "/nowhere/old-\xff\\", AT_FDCWD, "/nowhere/new", 0);
        syscall(SYS_close, 987654);
        access_i386(low_path);
        char *arguments[] = {"absent", "--flag", NULL};
        syscall(SYS_execve, "/nowhere/absent", arguments, NULL);
        struct iovec pieces[3] = {{"one ", 4}, {"", 0}, {"two\n", 4}};
        syscall(SYS_writev, 2, pieces, 3);
        syscall(SYS_write, 2, "line\n", 5);
        pid_t child = fork();
        if (child == 0) _exit(i);
        waitpid(child, NULL, 0);
    }
    return TIMES;
}
