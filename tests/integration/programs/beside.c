/* A library that dlopens another one by its name. */
#include <dlfcn.h>

int there(void) { return 5; }

void *beside(const char *name) {
    void *library = dlopen(name, RTLD_NOW);
    return library ? dlsym(library, "there") : 0;
}
