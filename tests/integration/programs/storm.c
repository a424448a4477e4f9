/* Fails as fast as it can: argv[1] threads, argv[2] failing calls each. Exits 0. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls;

static void *fail(void *unused) {
    (void)unused;
    for (long i = 0; i < calls; i++) syscall(SYS_access, "/nowhere/at/all", F_OK);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int threads = atoi(argv[1]);
    calls = atol(argv[2]);
    pthread_t ids[64];
    for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, fail, NULL);
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    return 0;
}
