/* Maps the second page of the file argv[1] executable by the i386 call mmap2, and ends with status 0 if that works. */
#include <fcntl.h>

int main(int argc, char **argv) {
    long file = open(argv[1], O_RDONLY), result;
    __asm__ volatile(
        "push %%rbp\n\tmov $1, %%ebp\n\tint $0x80\n\tpop %%rbp"
        : "=a"(result)
        : "a"(192L), "b"(0L), "c"(4096L), "d"(5L /* PROT_READ|PROT_EXEC */), "S"(2L /* MAP_PRIVATE */), "D"(file)
        : "memory", "r8", "r9", "r10", "r11");
    return (int)result < 0 && (int)result > -4096;
}
