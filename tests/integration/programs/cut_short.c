/* Maps code of the file argv[1], then cuts that to a ruin and unlinks it, then calls dlopen. */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int file = open(argv[argc - 1], O_RDWR);
    void *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    return code == MAP_FAILED || ftruncate(file, 4100) || unlink(argv[argc - 1]) || !dlopen(0, RTLD_LAZY);
}
