/* A 32-bit program without a C library (gcc -m32 -static -nostdlib): fails one call, writes, executes argv[1] of it. */
static char nowhere[] = "/nowhere/by-32-bits", text[] = "thirty-two\n";

static int call(int number, const void *first, const void *second, int third) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
    return result;
}

void _start(void) {
    static const char *none[] = {"absent", "word", 0};
    call(33, nowhere, 0, 0);
    call(4, (void *)2, text, sizeof text - 1);
    call(11, nowhere, none, 0);
    call(1, (void *)13, 0, 0);
}
