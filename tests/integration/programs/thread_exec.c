/* A thread that is not the leader execs argv[1] with the rest of argv. */
#include <pthread.h>
#include <unistd.h>

static char **command;

static void *replace(void *unused) {
    (void)unused;
    execv(command[0], command);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    pthread_t thread;
    command = argv + 1;
    pthread_create(&thread, NULL, replace, NULL);
    pause();
    return 1;
}
