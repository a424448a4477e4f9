/* Calls dlsym from places where the instruction behind the call is of each kind, by four threads at once, so that one
   of them finds a breakpoint there that the others still need: comes_back_to TIMES, or comes_back_to TIMES pushf */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void *kept;
int five = 5;

/* Each gives what dlsym(RTLD_DEFAULT, "printf") gave, or 0 where something else went wrong. */
void *stores(void), *loads(void), *compares(void), *jumps(void), *branches(void), *calls(void), *calls_register(void),
    *calls_memory(void), *jumps_to_register(void), *returns(void), *pops(void), *vectors(void), *pushes_flags(void);

#define ASK "lea wanted(%rip), %rsi; xor %edi, %edi; call dlsym@PLT; "
__asm__(".text\n"
        "wanted: .string \"printf\"\n"
        "failed: xor %eax, %eax; add $8, %rsp; ret\n"
        /* Gives its return address in rcx. */
        "where: mov (%rsp), %rcx; ret\n"
        "stores: sub $8, %rsp; " ASK "mov %rax, kept(%rip); mov kept(%rip), %rax; add $8, %rsp; ret\n"
        "loads: sub $8, %rsp; " ASK "mov five(%rip), %ecx; cmp $5, %ecx; jne failed; add $8, %rsp; ret\n"
        "compares: sub $8, %rsp; " ASK "cmpl $5, five(%rip); jne failed; add $8, %rsp; ret\n"
        "jumps: sub $8, %rsp; " ASK "jmp 1f; ud2; 1: add $8, %rsp; ret\n"
        "branches: sub $8, %rsp; xor %ecx, %ecx; " ASK "jnz 1f; jz 1f; ud2; 1: add $8, %rsp; ret\n"
        "calls: sub $8, %rsp; " ASK "call where; 1: lea 1b(%rip), %rdx; cmp %rdx, %rcx; jne failed; add $8, %rsp; ret\n"
        "calls_register: push %r12; lea where(%rip), %r12; " ASK
        "call *%r12; 1: pop %r12; lea 1b(%rip), %rdx; sub $8, %rsp; cmp %rdx, %rcx; jne failed; add $8, %rsp; ret\n"
        "calls_memory: sub $8, %rsp; lea where(%rip), %rcx; mov %rcx, pointer(%rip); " ASK
        "call *pointer(%rip); 1: lea 1b(%rip), %rdx; cmp %rdx, %rcx; jne failed; add $8, %rsp; ret\n"
        "jumps_to_register: push %r12; lea 1f(%rip), %r12; " ASK "jmp *%r12; ud2; 1: pop %r12; ret\n"
        "returns: lea 1f(%rip), %rcx; push %rcx; " ASK "ret; ud2; 1: ret\n"
        "pops: push %rbx; " ASK "pop %rbx; ret\n"
        "vectors: sub $8, %rsp; " ASK "movd five(%rip), %xmm0; movd %xmm0, %ecx; cmp $5, %ecx; jne failed;"
        " add $8, %rsp; ret\n"
        "pushes_flags: sub $8, %rsp; " ASK "pushf; add $16, %rsp; ret\n"
        ".data\npointer: .quad 0\n.text\n");

static void *(*all[])(void) = {stores,         loads,        compares,          jumps,   branches, calls,
                               calls_register, calls_memory, jumps_to_register, returns, pops,     vectors};
static int times, only_flags, wrong;

static void *work(void *expected) {
    for (int i = 0; i < times; i++)
        for (unsigned kind = 0; kind < sizeof all / sizeof *all; kind++) {
            void *found = only_flags ? pushes_flags() : all[kind]();
            if (found != expected) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    times = atoi(argv[1]);
    only_flags = argc > 2;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)printf);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("wrong %d\n", wrong);
    return 0;
}
