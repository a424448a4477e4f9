/* Kills argv[1] children at random moments of what they do all the time: fork, exec, open, write, make threads, stop,
   get signals. Says how many there were, how many died of it, and what became of the children that they left. */
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

#define AT_ONCE 8

static void *nothing(void *unused) { return unused; }
static void handled(int number) { (void)number; }

static void act(int way, char *self) {
    pthread_t thread;
    switch (way) {
    case 0:
        if (fork() == 0) { close(open("/nowhere/in-a-child", O_RDONLY)); _exit(0); }
        break;
    case 1: execl(self, self, "again", NULL); _exit(98);
    case 2: close(open("/nowhere/in-a-loop", O_RDONLY)); break;
    case 3: if (write(2, ".", 1) != 1) _exit(98); break;
    case 4: if (pthread_create(&thread, NULL, nothing, NULL) == 0) pthread_join(thread, NULL); break;
    case 5: if (vfork() == 0) { execl("/nowhere/program", "x", NULL); _exit(0); } break;
    case 6: raise(SIGUSR1); break;
    case 7: raise(SIGSTOP); break;
    case 8: if (fork() == 0) { execl(self, self, "leaf", NULL); _exit(98); } break;
    }
    if (way == 0 || way == 5 || way == 8) while (waitpid(-1, NULL, WNOHANG) > 0) { }
}

static void *acting(void *way) {
    for (;;) act((long)way, NULL);
    return NULL;
}

static void work(long way, char *self) {
    signal(SIGUSR1, handled);
    if (way == 9) { /* two threads that do different things */
        pthread_t thread;
        pthread_create(&thread, NULL, acting, (void *)2L);
        for (;;) act(4, self);
    }
    for (;;) act(way, self);
}

/* Children of children that lose their parent become ours, so that we can wait for the last of them. */
static int kill_many(int many, char *self) {
    int killed = 0, others = 0, status;
    unsigned seed = 20261125;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int begun = 0; begun < many;) {
        pid_t pids[AT_ONCE];
        int here = 0;
        for (; here < AT_ONCE && begun < many; here++, begun++)
            if ((pids[here] = fork()) == 0) work(begun % 10, self);
        for (int i = 0; i < here; i++) {
            usleep(rand_r(&seed) % 3000);
            kill(pids[i], SIGKILL);
        }
        for (int i = 0; i < here; i++)
            if (waitpid(pids[i], &status, 0) == pids[i] && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) killed++;
    }
    while (wait(&status) > 0) others += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    printf("killed %d of %d, %d of their children ended badly, no more children: %d\n", killed, many, others,
           errno == ECHILD);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "leaf")) return 0;
    if (!strcmp(argv[1], "again")) work(1, argv[0]);
    /* All the time two others fail in calls, so that a tracer is never without anything to do. */
    pid_t busy[2], killer;
    for (int i = 0; i < 2; i++) if ((busy[i] = fork()) == 0) for (;;) access("/nowhere/all-the-time", F_OK);
    if ((killer = fork()) == 0) return kill_many(atoi(argv[1]), argv[0]);
    waitpid(killer, NULL, 0);
    for (int i = 0; i < 2; i++) kill(busy[i], SIGKILL);
    while (wait(NULL) > 0) { }
    return 0;
}
