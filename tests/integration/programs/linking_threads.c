/* 8 threads, each 500 times: dlopen, dlsym of what is there and of what is not, dlclose. argv[1]: the library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

static void *work(void *library) {
    for (int i = 0; i < 500; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        if (!handle || !dlsym(handle, "present") || dlsym(handle, "missing")) return library;
        dlclose(handle);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[8];
    void *failed = NULL;
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, work, argv[1]);
    for (int i = 0; i < 8; i++) {
        void *result;
        pthread_join(threads[i], &result);
        if (result) failed = result;
    }
    return failed != NULL;
}
