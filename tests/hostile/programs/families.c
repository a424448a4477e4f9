/* What a parent gets to know of its children, and a child of its parent's death; argv[1] says which question. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t ending_with(int status) {
    pid_t pid = fork();
    if (pid == 0) {
        if (status < 0) kill(getpid(), -status);
        access("/nowhere/of-a-child", F_OK);
        _exit(status);
    }
    return pid;
}

static void said(const char *what, int result) { printf("%s: %d, %s\n", what, result, strerror(errno)); }

static void ends(void) {
    siginfo_t end;
    struct rusage usage;
    int status;
    pid_t first = ending_with(3), second = ending_with(-SIGKILL), third = ending_with(4);
    waitid(P_PID, first, &end, WEXITED | WNOWAIT);
    printf("waitid: its pid %d, code %d, status %d\n", end.si_pid == first, end.si_code, end.si_status);
    memset(&end, 0, sizeof end);
    waitid(P_PID, first, &end, WEXITED);
    printf("again: its pid %d, code %d, status %d\n", end.si_pid == first, end.si_code, end.si_status);
    said("once more", waitid(P_PID, first, &end, WEXITED));
    setpgid(third, third);
    pid_t got = wait4(second, &status, 0, &usage);
    printf("wait4: its pid %d, signal %d\n", got == second, WTERMSIG(status));
    got = waitpid(-1, &status, 0);
    printf("waitpid(-1): the third %d, exit %d\n", got == third, WEXITSTATUS(status));
    said("no more", waitpid(-1, &status, 0));
}

static void ignored(void) {
    int status;
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 20; i++) ending_with(i);
    said("ignored", waitpid(-1, &status, 0));
    struct sigaction no_zombies = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &no_zombies, NULL);
    for (int i = 0; i < 20; i++) ending_with(i);
    said("SA_NOCLDWAIT", waitpid(-1, &status, 0));
}

/* The grandchild asked for a signal when its parent dies, and has a new one then: us. */
static void death_of_a_parent(void) {
    sigset_t signals;
    siginfo_t told;
    int status, ready[2];
    char byte;
    if (pipe(ready)) return;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t ours = getpid(), parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            if (write(ready[1], "x", 1) != 1) _exit(98);
            sigwaitinfo(&signals, &told);
            printf("signal %d, code %d, the parent is the subreaper: %d\n", told.si_signo, told.si_code, getppid() == ours);
            fflush(stdout);
            access("/nowhere/of-a-child", F_OK);
            _exit(7);
        }
        pause();
    }
    if (read(ready[0], &byte, 1) != 1) return;
    kill(parent, SIGKILL);
    waitpid(parent, &status, 0);
    int signal_of_parent = WTERMSIG(status);
    pid_t orphan = wait(&status);
    printf("parent: signal %d; orphan: %d, exit %d\n", signal_of_parent, orphan > 0, WEXITSTATUS(status));
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "ends")) ends();
    else if (!strcmp(argv[1], "ignored")) ignored();
    else death_of_a_parent();
    return 0;
}
