/* argv[1] processes, each with 64 threads that all execute argv[2] with the rest of argv at once: one of them wins. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64 };

static char **command;
static pthread_barrier_t all_there;

static void *replace(void *unused) {
    pthread_barrier_wait(&all_there);
    execv("/nowhere/absent", command);
    execv(command[0], command);
    return unused;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    command = argv + 2;
    for (int i = atoi(argv[1]); i > 0; i--) {
        if (fork() == 0) {
            pthread_t thread;
            pthread_barrier_init(&all_there, 0, THREADS);
            for (int j = 0; j < THREADS; j++) pthread_create(&thread, 0, replace, 0);
            for (;;) pause();
        }
        wait(NULL);
    }
    return 0;
}
