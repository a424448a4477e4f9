/* Stops and continues a child of four threads, and a child that waits in an open; says all that its parent learns. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long *counters;

static void *busy(void *number) {
    for (;;) {
        access("/nowhere/while-busy", F_OK);
        counters[(long)number]++;
    }
    return NULL;
}

static void many_threads(void) {
    pthread_t thread;
    for (long i = 1; i < 4; i++) pthread_create(&thread, NULL, busy, (void *)i);
    busy(0);
}

static void in_an_open(char *fifo) {
    int opened = open(fifo, O_RDONLY);
    _exit(opened >= 0 ? 7 : errno);
}

static void all_move(void) {
    for (int i = 0; i < 4; i++) {
        long before = counters[i];
        while (counters[i] == before) usleep(100);
    }
}

static int moves_in_the_next_20_ms(void) {
    long before[4];
    for (int i = 0; i < 4; i++) before[i] = counters[i];
    usleep(20000);
    for (int i = 0; i < 4; i++) if (counters[i] != before[i]) return 1;
    return 0;
}

static void learn(pid_t pid, int options, sigset_t *child_signal) {
    siginfo_t sent, waited;
    int status = 0;
    sigwaitinfo(child_signal, &sent);
    waitid(P_PID, pid, &waited, options | (options & WUNTRACED ? WSTOPPED : WCONTINUED) | WNOWAIT);
    pid_t got = waitpid(pid, &status, options);
    printf("signal: %s code %d status %d; waitid: code %d status %d; waitpid: %s%s %d; ", sent.si_pid == pid ? "of it" : "?",
           sent.si_code, sent.si_status, waited.si_code, waited.si_status, got == pid ? "" : "nothing ",
           WIFSTOPPED(status) ? "stopped" : WIFCONTINUED(status) ? "continued" : "else",
           WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
    printf("once more: %d\n", (int)waitpid(pid, &status, options | WNOHANG));
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    char *fifo = argv[1];
    int status;
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, NULL);
    counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mkfifo(fifo, 0600) && errno != EEXIST) return 1;
    for (int opening = 0; opening < 2; opening++) {
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, 0); /* its group is not orphaned: we are in the session, in another one */
            counters[5] = 1;
            opening ? in_an_open(fifo) : many_threads();
        }
        while (!counters[5]) usleep(100);
        counters[5] = 0;
        for (int round = 0; round < 24; round++) {
            if (!opening) all_move();
            kill(pid, stops[round % 4]);
            learn(pid, WUNTRACED, &child_signal);
            if (!opening && moves_in_the_next_20_ms()) printf("a thread runs on\n");
            if (round % 6 == 5) kill(pid, SIGSTOP); /* one stop in the other says nothing new */
            kill(pid, SIGCONT);
            learn(pid, WCONTINUED, &child_signal);
        }
        if (opening) close(open(fifo, O_WRONLY));
        else {
            kill(pid, SIGSTOP);
            learn(pid, WUNTRACED, &child_signal);
            kill(pid, SIGTERM); /* stays pending while it is stopped */
            printf("ended: %d\n", (int)waitpid(pid, &status, WNOHANG));
            kill(pid, SIGCONT);
        }
        waitpid(pid, &status, 0);
        printf("exit %d, signal %d\n", WEXITSTATUS(status), WTERMSIG(status));
        struct timespec now = {0, 0};
        while (sigtimedwait(&child_signal, NULL, &now) > 0) { }
    }
    return 0;
}
