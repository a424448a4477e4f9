/* Each of THREADS threads calls dlopen, dlsym (a symbol that is there, and one that is not), dlerror and dlclose
   TIMES times: loads LIBRARY SYMBOL THREADS TIMES */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *library, *symbol;
static int times;
static int wrong;

static void *work(void *unused) {
    for (int i = 0; i < times; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        void *there = handle ? dlsym(handle, symbol) : NULL, *missing = handle ? dlsym(handle, "no_such_symbol") : NULL;
        const char *text = dlerror();
        if (!handle || !there || missing || !text) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        dlclose(handle);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    library = argv[1];
    symbol = argv[2];
    int threads = atoi(argv[3]);
    times = atoi(argv[4]);
    pthread_t all[64];
    for (int i = 0; i < threads; i++) pthread_create(&all[i], NULL, work, NULL);
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    printf("wrong %d\n", wrong);
    return 7;
}
