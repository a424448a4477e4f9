/* The loader in all sorts of processes: constructors, forks, vforks, threads that fork, executions, signals. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *name;

static int look(const char *symbol) {
    return dlsym(RTLD_DEFAULT, symbol) != NULL;
}

__attribute__((constructor)) static void early(void) {
    look("early");
}

static int ended(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static void *busy(void *unused) {
    for (int i = 0; i < 400; i++) look("busy");
    return unused;
}

static void forks(void) {
    pthread_t others[4];
    int bad = 0;
    for (int i = 0; i < 4; i++) pthread_create(&others[i], NULL, busy, NULL);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (!pid) {
            look("forked");
            _exit(look("printf") ? 3 : 4);
        }
        bad += ended(pid) != 3;
    }
    for (int i = 0; i < 4; i++) pthread_join(others[i], NULL);
    printf("forks: bad %d\n", bad);
}

static void vforks(void) {
    int bad = 0;
    for (int i = 0; i < 50; i++) {
        pid_t pid = vfork();
        if (!pid) {
            look("vforked");
            _exit(5);
        }
        bad += ended(pid) != 5;
        look("after");
    }
    printf("vforks: bad %d\n", bad);
}

static void spawns(void) {
    int bad = 0;
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        char *argv[] = {(char *)name, "once", NULL};
        if (posix_spawn(&pid, name, NULL, NULL, argv, environ)) exit(1);
        look("spawned");
        bad += ended(pid) != 6;
    }
    printf("spawns: bad %d\n", bad);
}

static volatile int alarms;

static void on_alarm(int unused) {
    alarms++;
    (void)unused;
}

/* A signal every hundred microseconds, while nothing else is done than what stops. */
static void storm(void) {
    struct itimerval every = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    int bad = 0;
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 2000; i++) bad += look("stormy");
    setitimer(ITIMER_REAL, &never, NULL);
    printf("storm: bad %d, alarms %s\n", bad, alarms ? "came" : "did not come");
}

static int traps;

static void on_trap(int unused) {
    traps++;
    (void)unused;
}

static void own_traps(void) {
    signal(SIGTRAP, on_trap);
    for (int i = 0; i < 20; i++) {
        __asm__ volatile("int3");
        raise(SIGTRAP);
        look("trapping");
    }
    printf("traps: %d\n", traps);
}

/* With all signals blocked, as it is usual in threads of libraries. */
static void blocked(void) {
    sigset_t all;
    int bad = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < 20; i++) bad += look("blocked");
    printf("blocked: bad %d\n", bad);
}

static void *execute(void *unused) {
    execl(name, name, "once", NULL);
    return unused;
}

int main(int argc, char **argv) {
    name = argv[0];
    const char *what = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "once")) return look("once"), 6;
    if (!strcmp(what, "forks")) return forks(), 0;
    if (!strcmp(what, "vforks")) return vforks(), 0;
    if (!strcmp(what, "spawns")) return spawns(), 0;
    if (!strcmp(what, "storm")) return storm(), 0;
    if (!strcmp(what, "blocked")) return blocked(), 0;
    if (!strcmp(what, "traps")) return own_traps(), 0;
    if (!strcmp(what, "exec")) {
        pthread_t others[3];
        for (int i = 0; i < 2; i++) pthread_create(&others[i], NULL, busy, NULL);
        pthread_create(&others[2], NULL, execute, NULL);
        pthread_join(others[2], NULL);
    }
    return 2;
}
