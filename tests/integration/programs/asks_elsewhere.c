/* Asks dlerror on the thread that failed and on another, and writes each answer and what it is good for: `told` where
   an event has to tell of it, `not told` where nothing had failed that nobody has asked about yet. Executes itself once:
   asks_elsewhere; asks_elsewhere again */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void ask(const char *whether) {
    const char *text = dlerror();
    printf("%s %s\n", whether, text ? text : "NULL");
    fflush(stdout);
}

static void *fails(void *unused) {
    dlopen("libnowhere.so", RTLD_NOW);
    return unused;
}

static void *fails_twice_and_asks_once(void *unused) {
    dlopen("libnowhere.so", RTLD_NOW);
    dlsym(RTLD_DEFAULT, "no_such_symbol");
    ask("told");
    return unused;
}

static void on_another_thread(void *(*what)(void *)) {
    pthread_t other;
    pthread_create(&other, NULL, what, NULL);
    pthread_join(other, NULL);
}

int main(int argc, char **argv) {
    ask("not told");
    if (argc > 1) return 0;
    on_another_thread(fails);
    ask("told");
    ask("not told");
    on_another_thread(fails_twice_and_asks_once);
    ask("told");
    ask("not told");
    on_another_thread(fails);
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 1;
}
