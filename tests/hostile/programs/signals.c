/* Signals in the way that argv[1] names; says what arrived. Whatever happens is waited for, nothing is timed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t handled, wrong, done;
static sigjmp_buf back;

static void handle(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    sigaction(number, &action, NULL);
}

static void count(int number, siginfo_t *info, void *context) { (void)number, (void)info, (void)context, handled++; }

/* Signals of one number arrive in their order, each with its value and its sender. */
static void in_order(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    if (info->si_value.sival_int != handled || info->si_pid != getppid() || info->si_code != SI_QUEUE) wrong++;
    handled++;
}

static int storm(int many) {
    sigset_t real_time;
    int status;
    sigemptyset(&real_time);
    sigaddset(&real_time, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &real_time, NULL);
    pid_t pid = fork();
    if (pid == 0) {
        handle(SIGRTMIN + 3, in_order, 0);
        sigprocmask(SIG_UNBLOCK, &real_time, NULL);
        for (int failed = 0; handled < many; failed++)
            if (failed % 16 == 0) access("/nowhere/in-the-storm", F_OK);
        printf("arrived %d, wrong %d\n", (int)handled, (int)wrong);
        exit(7);
    }
    for (int i = 0; i < many; i++)
        while (sigqueue(pid, SIGRTMIN + 3, (union sigval){.sival_int = i})) {
            if (errno != EAGAIN) return 1;
            usleep(100);
        }
    waitpid(pid, &status, 0);
    printf("exit %d\n", WEXITSTATUS(status));
    return 0;
}

static char own[1 << 16];

static void fault(int number, siginfo_t *info, void *context) {
    char here;
    (void)context;
    printf("signal %d, code %d, address %p, on its own stack: %d\n", number, info->si_code,
           number == SIGSEGV ? info->si_addr : NULL, &here >= own && &here < own + sizeof own);
    siglongjmp(back, 1);
}

static int faults(void) {
    stack_t stack = {.ss_sp = own, .ss_size = sizeof own};
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, fault, SA_ONSTACK);
    handle(SIGTRAP, fault, SA_ONSTACK);
    handle(SIGILL, count, 0);
    if (!sigsetjmp(back, 1)) *(volatile int *)0x10 = 1;
    if (!sigsetjmp(back, 1)) raise(SIGTRAP);
    if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
    raise(SIGILL);
    printf("SIGILL %d\n", (int)handled);
    fflush(stdout);
    signal(SIGTRAP, SIG_DFL);
    raise(SIGTRAP);
    return 1;
}

static int alarms(void) {
    struct itimerval often = {{0, 500}, {0, 500}};
    handle(SIGALRM, count, SA_RESTART);
    setitimer(ITIMER_REAL, &often, NULL);
    int other = 0;
    while (handled < 200) other += access("/nowhere/of-alarms", F_OK) == 0 || errno != ENOENT;
    printf("other results %d\n", other);
    return 0;
}

static pthread_t sleeper;

/* Has the other thread handle signals: 20 of them, or as many as it takes until its call has returned. */
static void *disturb(void *until_it_returns) {
    for (int i = 0; until_it_returns ? !done : i < 20; i++) {
        int before = handled;
        pthread_kill(sleeper, SIGUSR1);
        while (handled == before && !done) usleep(50);
    }
    return NULL;
}

struct opening { char *fifo; int pipe; };

static void *then_open(void *what) {
    struct opening *opening = what;
    disturb(NULL);
    if (opening->pipe >= 0) return write(opening->pipe, "x", 1) == 1 ? NULL : what;
    close(open(opening->fifo, O_WRONLY));
    return NULL;
}

static int interrupted(char *fifo) {
    char byte;
    int ends[2];
    pthread_t other;
    sleeper = pthread_self();
    if (pipe(ends) || (mkfifo(fifo, 0600) && errno != EEXIST)) return 1;
    for (int call = 0; call < 2; call++) {
        handle(SIGUSR1, count, 0);
        done = 0;
        pthread_create(&other, NULL, disturb, fifo);
        long result = call ? open(fifo, O_RDONLY) : read(ends[0], &byte, 1);
        int error = errno;
        done = 1;
        pthread_join(other, NULL);
        printf("%s: %ld, %s\n", call ? "open" : "read", result, strerror(error));

        handle(SIGUSR1, count, SA_RESTART);
        struct opening opening = {fifo, call ? -1 : ends[1]};
        done = 0;
        pthread_create(&other, NULL, then_open, &opening);
        result = call ? open(fifo, O_RDONLY) : read(ends[0], &byte, 1);
        pthread_join(other, NULL);
        printf("%s: begun anew, %s\n", call ? "open" : "read", result > 0 ? "done" : strerror(errno));
    }
    return unlink(fifo);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(argv[1], "storm")) return storm(atoi(argv[2]));
    if (!strcmp(argv[1], "faults")) return faults();
    if (!strcmp(argv[1], "alarms")) return alarms();
    return interrupted(argv[2]);
}
