/* Starts as many processes as it is told, one after another; the two threads of each end at the same moment. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int ready;

static void *end(void *nothing) {
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < 2) {
    }
    syscall(SYS_exit, 0); /* of the thread alone */
    return nothing;
}

int main(int count, char **words) {
    if (count != 2) return 2;
    for (int left = atoi(words[1]); left > 0; left--) {
        pid_t child = fork();
        pthread_t other;
        if (child == 0) {
            if (pthread_create(&other, 0, end, 0)) _exit(1);
            end(0);
        }
        waitpid(child, 0, 0);
    }
    return 0;
}
