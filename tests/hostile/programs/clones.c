/* A child made in the way that argv[1] names fails one call and ends with 7; says what its parent gets to know of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char stack[1 << 16] __attribute__((aligned(16)));
static int failed_with;

static int child(void *way) {
    failed_with = access("/nowhere/of-the-child", F_OK) ? errno : 0;
    if (failed_with != ENOENT) _exit(99); /* a filtered call without its tracer would fail with ENOSYS */
    if (!strcmp(way, "vfork")) {
        execl("/nowhere/program", "program", NULL);
        execl("/bin/sh", "sh", "-c", "exit 7", NULL);
    }
    _exit(7);
}

static void told(const char *how, pid_t pid, int flags) {
    int status = 0;
    pid_t got = waitpid(pid, &status, flags);
    printf("%s: %s, exit %d, signal %d\n", how, got == pid ? "its end" : strerror(errno), WEXITSTATUS(status),
           WTERMSIG(status));
}

static pid_t by_clone3(uint64_t flags) {
    struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
    pid_t pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) child("clone3");
    return pid;
}

int main(int argc, char **argv) {
    char *way = argc > 1 ? argv[1] : "";
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGCHLD);
    sigaddset(&both, SIGUSR1);
    sigprocmask(SIG_BLOCK, &both, NULL);
    pid_t pid = -1;
    if (!strcmp(way, "fork")) {
        if ((pid = fork()) == 0) child(way);
    } else if (!strcmp(way, "vfork")) {
        if ((pid = vfork()) == 0) child(way);
        printf("the child's memory was ours: %d\n", failed_with);
    } else if (!strcmp(way, "spawn")) {
        char *command[] = {"sh", "-c", "test -e /nowhere/of-the-child; exit 7", NULL}, *none[] = {NULL};
        printf("spawn: %s\n", strerror(posix_spawn(&pid, "/nowhere/program", NULL, NULL, command, none)));
        printf("spawn: %s\n", strerror(posix_spawn(&pid, "/bin/sh", NULL, NULL, command, none)));
    } else if (!strcmp(way, "vm")) {
        pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, way);
    } else if (!strcmp(way, "files-and-signals")) {
        pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD, way);
    } else if (!strcmp(way, "parent")) {
        if (fork() == 0) _exit(clone(child, stack + sizeof stack, CLONE_PARENT | SIGCHLD, way) < 0);
        int sum = 0, status;
        for (int i = 0; i < 2; i++) sum += wait(&status) > 0 ? WEXITSTATUS(status) : 1000;
        printf("parent: two children of ours, exits sum up to %d\n", sum);
        return 0;
    } else if (!strcmp(way, "no-signal")) {
        pid = clone(child, stack + sizeof stack, 0, way);
        told("without __WCLONE", pid, 0);
    } else if (!strcmp(way, "other-signal")) {
        pid = clone(child, stack + sizeof stack, SIGUSR1, way);
        told("without __WCLONE", pid, 0);
    } else if (!strcmp(way, "untraced")) {
        pid = clone(child, stack + sizeof stack, CLONE_UNTRACED | SIGCHLD, way);
    } else if (!strcmp(way, "clone3")) {
        pid = by_clone3(0);
    } else if (!strcmp(way, "clone3-untraced")) {
        pid = by_clone3(CLONE_UNTRACED);
    }
    if (pid < 0) return 1;
    siginfo_t end;
    waitid(P_PID, pid, &end, WEXITED | WNOWAIT | __WALL);
    told(way, pid, __WALL);
    sigset_t pending;
    sigpending(&pending);
    printf("SIGCHLD %d, SIGUSR1 %d\n", sigismember(&pending, SIGCHLD), sigismember(&pending, SIGUSR1));
    return 0;
}
