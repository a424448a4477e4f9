/* A 64-bit program that makes calls of the 32-bit table (int $0x80); linked -static -no-pie, all it names is below 4 GB. */
#include <stdint.h>

static long call(long number, long first, long second, long third, long fourth, long fifth) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(second), "d"(third), "S"(fourth), "D"(fifth)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

#define AT(thing) ((long)(uintptr_t)(thing))
enum { OPEN = 5, WRITE = 4, EXECVE = 11, ACCESS = 33, RENAME = 38, WRITEV = 146, PWRITE = 181, STATX = 383,
       OPENAT = 295, FSTATAT = 300, EXECVEAT = 358, PTRACE = 26, READLINK = 85 };

static char nowhere[] = "/nowhere/i386", other[] = "/nowhere/other", word[] = "one word", text[] = "by write\n";
static char empty[] = "", program[] = "/bin/true", buffer[512];
static uint32_t arguments[3], pieces[4];

int main(void) {
    arguments[0] = AT(program);
    arguments[1] = AT(word);
    pieces[0] = AT("by ");
    pieces[1] = 3;
    pieces[2] = AT("writev\n");
    pieces[3] = 7;
    call(ACCESS, AT(nowhere), 0, 0, 0, 0);
    call(OPEN, AT(nowhere), 0, 0, 0, 0);
    call(OPENAT, -100, AT(nowhere), 0, 0, 0);
    call(RENAME, AT(nowhere), AT(other), 0, 0, 0);
    call(STATX, -100, AT(nowhere), 0, 0xfff, AT(buffer));
    call(STATX, 77, AT(empty), 0x1000, 0xfff, AT(buffer));
    call(FSTATAT, -100, AT(nowhere), AT(buffer), 0, 0);
    call(FSTATAT, 77, AT(empty), AT(buffer), 0x1000, 0);
    call(READLINK, AT(nowhere), AT(buffer), 100, 0, 0);
    call(PTRACE, 16, 1, 0, 0, 0); /* PTRACE_ATTACH of what no process may trace */
    call(WRITE, 2, AT(text), sizeof text - 1, 0, 0);
    call(WRITE, 1, AT(text), 0, 0, 0);
    call(WRITEV, 2, AT(pieces), 2, 0, 0);
    call(PWRITE, 2, AT(text), sizeof text - 1, 0, 0);
    call(WRITE, 99, AT(text), 1, 0, 0);
    call(EXECVE, AT(nowhere), AT(arguments), 0, 0, 0);
    call(EXECVEAT, -100, AT(nowhere), AT(arguments), 0, 0);
    call(EXECVE, AT(program), AT(arguments), 0, 0, 0);
    return 1;
}
