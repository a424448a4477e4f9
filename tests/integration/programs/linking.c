/* Loads libraries and looks up symbols; writes each call and its result into the file argv[1].
 * argv[2]: a library that is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static FILE *out;

static void *opened(const char *name, int flags) {
    void *handle = dlopen(name, flags);
    fprintf(out, "dlopen %s %d %lu\n", name ? name : "-", flags, (unsigned long)handle);
    return handle;
}

static void looked_up(void *handle, const char *symbol) {
    void *address = dlsym(handle, symbol);
    fprintf(out, "dlsym %s %lu %lu\n", symbol, (unsigned long)handle, (unsigned long)address);
}

static void said(void) {
    const char *text = dlerror();
    if (text) fprintf(out, "dlerror %s\n", text);
}

int main(int argc, char **argv) {
    out = fopen(argv[1], "w");
    said(); /* nothing yet */
    opened(NULL, RTLD_NOW);
    void *handle = opened(argv[2], RTLD_NOW | RTLD_GLOBAL);
    looked_up(handle, "present");
    looked_up(handle, "SSL_library_init");
    said();
    opened("libnowhere.so.1", RTLD_LAZY);
    said();
    said(); /* told already */
    looked_up(RTLD_DEFAULT, "absent_everywhere");
    for (int length = 120; length <= 1000; length += length < 140 ? 1 : 400) {
        char name[1024] = "";
        memset(name, 'n', length);
        looked_up(RTLD_DEFAULT, name);
    }
    looked_up(RTLD_NEXT, "fopen");
#ifdef __GLIBC__
    void *other = dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
    fprintf(out, "dlmopen %s %d %lu\n", argv[2], RTLD_NOW, (unsigned long)other);
    void *old = dlvsym(RTLD_DEFAULT, "fclose", "GLIBC_2.2.5"), *never = dlvsym(RTLD_DEFAULT, "fclose", "GLIBC_9.9");
    fprintf(out, "dlvsym fclose GLIBC_2.2.5 %lu\n", (unsigned long)old);
    fprintf(out, "dlvsym fclose GLIBC_9.9 %lu\n", (unsigned long)never);
    for (int length = 20; length <= 100; length += length < 40 ? 1 : 60) {
        char version[128] = "";
        memset(version, 'v', length);
        never = dlvsym(RTLD_DEFAULT, "fclose", version);
        fprintf(out, "dlvsym fclose %s %lu\n", version, (unsigned long)never);
    }
#endif
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof(line), maps)) fprintf(out, "map %s", line);
    return fclose(out);
}
