/* Each call of the loader once, with all it can be told: loader LIBRARY; by a library that dlopens what lies beside it
   (RUNPATH $ORIGIN): loader LIBRARY beside NAME */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    printf("%p\n", library);
    if (argc > 3) {
        void *(*beside)(const char *) = (void *(*)(const char *))dlsym(library, argv[2]);
        printf("%p\n", beside(argv[3]));
        return 0;
    }
    printf("%p\n", dlopen(NULL, RTLD_LAZY));
    printf("%p\n", dlopen("/nowhere/lib.so", RTLD_LAZY));
    printf("%s\n", dlerror());
    printf("%p\n", (void *)dlerror());
    printf("%p\n", dlsym(library, "there"));
    printf("%p\n", dlsym(RTLD_DEFAULT, "nowhere"));
#ifdef __GLIBC__
    printf("%p\n", dlvsym(RTLD_DEFAULT, "printf", "GLIBC_2.2.5"));
    printf("%p\n", dlvsym(RTLD_DEFAULT, "printf", "NONE_1"));
    printf("%p\n", dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW));
#endif
    return 0;
}
