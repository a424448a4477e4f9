/* Makes processes in every way there is; each child fails one call under a name of its own, and ends. Exits 0. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char stack[1 << 16];

static void fail(const char *path) { syscall(SYS_access, path, F_OK); }

static void end(const char *path, int status) {
    fail(path);
    syscall(SYS_exit_group, status);
}

static int child_function(void *path) {
    fail(path);
    return 11;
}

/* clone(2) like a fork, with any flags and exit signal; returns in both. */
static pid_t born(unsigned long flags, int exit_signal) {
    return syscall(SYS_clone, flags | exit_signal, 0, 0, 0, 0);
}

static pid_t born_by_clone3(uint64_t flags, int exit_signal) {
    struct clone_args args;
    memset(&args, 0, sizeof args);
    args.flags = flags;
    args.exit_signal = exit_signal;
    return syscall(SYS_clone3, &args, sizeof args);
}

static void wait_for_all(void) {
    while (waitpid(-1, 0, __WALL) > 0 || errno == EINTR) { }
}

static void *fork_in_a_thread(void *unused) {
    pid_t child = fork();
    if (child == 0) end("/nowhere/by-a-thread", 12);
    waitpid(child, 0, 0);
    return unused;
}

static void *end_last(void *unused) {
    usleep(50 * 1000); /* the leader is gone by then */
    fail("/nowhere/last-thread");
    syscall(SYS_exit, 21);
    return unused;
}

static void *end_for_all(void *unused) {
    usleep(50 * 1000);
    end("/nowhere/ends-for-all", 22);
    return unused;
}

static void *sleep_on(void *unused) {
    pause();
    return unused;
}

/* A process whose leader goes first, so that its last thread ends it. */
static void leader_goes_first(void *(*other)(void *)) {
    if (fork() == 0) {
        pthread_t thread;
        pthread_create(&thread, 0, other, 0);
        syscall(SYS_exit, 20);
    }
    wait_for_all();
}

int main(void) {
    signal(SIGUSR1, SIG_IGN);
    if (fork() == 0) end("/nowhere/fork", 1);
    if (vfork() == 0) end("/nowhere/vfork", 2);
    if (born(0, SIGUSR1) == 0) end("/nowhere/exit-signal", 3);
    if (born(0, 0) == 0) end("/nowhere/no-exit-signal", 4);
    if (born(CLONE_FILES | CLONE_FS, SIGCHLD) == 0) end("/nowhere/shared-files", 5);
    if (born_by_clone3(0, SIGCHLD) == 0) end("/nowhere/clone3", 6);
    if (born_by_clone3(CLONE_VFORK, 0) == 0) end("/nowhere/clone3-vfork", 7);
    if (born(CLONE_UNTRACED, SIGCHLD) == 0) end("/nowhere/untraced", 10);
    if (born_by_clone3(CLONE_UNTRACED, SIGCHLD) == 0) end("/nowhere/clone3-untraced", 13);
    wait_for_all();
    clone(child_function, stack + sizeof stack, CLONE_VM, "/nowhere/shared-memory");
    wait_for_all();
    if (fork() == 0) {
        if (born(CLONE_PARENT, SIGCHLD) == 0) end("/nowhere/sibling", 8);
        end("/nowhere/its-maker", 9);
    }
    wait_for_all();

    char *absent[] = {"absent", 0}, *present[] = {"true", "by posix_spawn", 0};
    pid_t spawned;
    posix_spawn(&spawned, "/nowhere/spawned", 0, 0, absent, environ);
    posix_spawn(&spawned, "/bin/true", 0, 0, present, environ);
    if (vfork() == 0) {
        execve("/nowhere/by-vfork", absent, environ);
        execve("/bin/true", present, environ);
    }
    wait_for_all();

    pthread_t thread;
    pthread_create(&thread, 0, fork_in_a_thread, 0);
    pthread_join(thread, 0);
    leader_goes_first(end_last);
    leader_goes_first(end_for_all);
    if (fork() == 0) {
        pthread_create(&thread, 0, sleep_on, 0);
        end("/nowhere/with-a-thread", 23);
    }
    wait_for_all();
    return 0;
}
