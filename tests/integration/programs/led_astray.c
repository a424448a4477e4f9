/* Fails calls with frame pointers that lead to ever other places (gcc -mno-red-zone: a word is pushed); see the paths. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#define APART __attribute__((noinline))
#define PAGE 4096

static long access_with(const char *path, const void *frame) {
    long result;
    register const void *pointer __asm__("r8") = frame;
    __asm__ volatile("push %%rbp\n\tmov %%r8, %%rbp\n\tsyscall\n\tpop %%rbp"
                     : "=a"(result) : "a"(21), "D"(path), "S"(0L), "r"(pointer) : "rcx", "r11", "memory");
    return result;
}

APART static long deep(int levels) {
    volatile char room[300];
    room[0] = levels;
    return levels ? deep(levels - 1) + room[0] : access_with("/nowhere/deep", __builtin_frame_address(0));
}

int main(void) {
    deep(30);
    deep(3);
    const uint64_t high = 1UL << 47, wrong[] = {0, 1, 8, -1, -8, -16, -17, high, high - 8, high - PAGE, 1UL << 63, -(10UL << 20)};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) access_with("/nowhere/wrong", (void *)wrong[i]);

    char *pages = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = pages + 2 * PAGE;
    memset(pages, 7, 3 * PAGE);
    munmap(end, PAGE);
    for (int back = 8; back <= 32; back += 4) access_with("/nowhere/end", end - back);

    uintptr_t *across = (uintptr_t *)(pages + PAGE - 8), *far = (uintptr_t *)pages, *near = far + 2;
    far[0] = (uintptr_t)across, far[1] = 11;
    across[0] = (uintptr_t)near, across[1] = 12;
    near[0] = (uintptr_t)(end - 16), near[1] = 13;
    memcpy(end - 16, &(uintptr_t[]){(uintptr_t)end, 14}, 16);
    access_with("/nowhere/across", far);

    far[0] = (uintptr_t)far;
    access_with("/nowhere/circle", far);
    access_with("/nowhere/odd", (char *)across + 3);
    return 3;
}
