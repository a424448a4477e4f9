/* Kills a child that is in the kind of stop that argv[1] names, while the tracer is frozen and cannot have seen it yet.

   It must not stop itself meanwhile: read, write (but to 1 and 2), kill and fork do not. Others never stop failing, so
   that the tracer has always something else to do. Untraced the child is killed at some other moment: it is the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int tracer_of_ours(void) {
    char line[256];
    int tracer = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status)) sscanf(line, "TracerPid: %d", &tracer);
    fclose(status);
    return tracer;
}

static int stat_of(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    return open(path, O_RDONLY);
}

/* Wait until a process is in one of these states (proc(5)). */
static void until(int stat, const char *states) {
    char text[1024];
    for (;;) {
        ssize_t got = pread(stat, text, sizeof text - 1, 0);
        if (got <= 0) return;
        text[got] = 0;
        if (strchr(states, strrchr(text, ')')[2])) return;
        usleep(500);
    }
}

static void *nothing(void *unused) { return unused; }
static void handled(int number) { (void)number; }

static void act(const char *kind, const char *self, int tell) {
    pthread_t thread;
    signal(SIGUSR1, handled);
    if (!strcmp(kind, "open")) close(open("/nowhere/of-the-victim", O_RDONLY));
    else if (!strcmp(kind, "exec")) execl("/bin/true", "true", NULL);
    else if (!strcmp(kind, "write")) (void)!write(2, "of the victim", 13);
    else if (!strcmp(kind, "thread")) pthread_create(&thread, NULL, nothing, NULL);
    else if (!strcmp(kind, "signal")) raise(SIGUSR1);
    else if (!strcmp(kind, "group-stop")) raise(SIGSTOP);
    else if (!strcmp(kind, "fork")) {
        if (fork() == 0) {
            int failed = access("/nowhere/of-the-orphan", F_OK) ? errno : 0;
            _exit(failed == ENOENT ? 7 : 98);
        }
    } else if (!strcmp(kind, "vfork")) {
        if (vfork() == 0) { execl(self, self, "orphan", NULL); _exit(98); }
    }
    (void)!write(tell, "x", 1);
    for (;;) pause();
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "orphan")) return access("/nowhere/of-the-orphan", F_OK) ? 7 : 98;
    const char *kind = argv[1];
    int go[2], tell[2], status, tracer = tracer_of_ours();
    char byte;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (pipe(go) || pipe(tell)) return 1;
    pid_t busy[2];
    for (int i = 0; i < 2; i++) if ((busy[i] = fork()) == 0) for (;;) access("/nowhere/all-the-time", F_OK);
    pid_t victim = fork();
    if (victim == 0) {
        sigprocmask(SIG_UNBLOCK, &ends, NULL);
        if (read(go[0], &byte, 1) == 1) act(kind, argv[0], tell[1]);
        _exit(98);
    }
    int its_stat = stat_of(victim);
    int tracers_stat = tracer ? stat_of(tracer) : -1;
    until(its_stat, "S"); /* in its read */
    if (tracer) {
        kill(tracer, SIGSTOP);
        until(tracers_stat, "T");
    }
    if (write(go[1], "x", 1) != 1) return 1;
    if (tracer) until(its_stat, "t");
    else usleep(20000);
    kill(victim, SIGKILL);
    until(its_stat, "Z");
    if (tracer) kill(tracer, SIGCONT);
    if (waitpid(victim, &status, 0) != victim) return 1;
    printf("%s: signal %d\n", kind, WTERMSIG(status));
    if (!strcmp(kind, "fork") || !strcmp(kind, "vfork")) {
        pid_t orphan;
        do orphan = wait(&status); while (orphan == busy[0] || orphan == busy[1]);
        printf("the orphan ended with %d\n", WEXITSTATUS(status));
    }
    for (int i = 0; i < 2; i++) kill(busy[i], SIGKILL);
    int more = 0;
    for (int i = 0; i < 2; i++) more += waitpid(busy[i], &status, 0) == busy[i];
    printf("and %d others\n", more);
    return 0;
}
