/* For each byte of its input it looks a symbol up and says whether that is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int main(void) {
    char byte;
    while (read(0, &byte, 1) == 1)
        if (write(1, dlsym(RTLD_DEFAULT, "printf") ? "y" : "n", 1) != 1) return 1;
    return 0;
}
