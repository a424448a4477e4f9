/* Children, argv[1] of them one after the other, in which 64 threads exec at once; says how they ended. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 64
static pthread_barrier_t start;
static char *self;

static void *race(void *number) {
    char text[16];
    snprintf(text, sizeof text, "%ld", (long)number);
    pthread_barrier_wait(&start);
    execl(self, self, "winner", text, NULL);
    return NULL;
}

static void run(void) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (long i = 1; i < THREADS; i++) pthread_create(&threads[i], NULL, race, (void *)i);
    race(0);
    _exit(1);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 2) return 5;
    int many = argc > 1 ? atoi(argv[1]) : 1, good = 0, status;
    for (int i = 0; i < many; i++) {
        pid_t pid = fork();
        if (pid == 0) run();
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 5) good++;
    }
    printf("%d of %d\n", good, many);
    return 0;
}
