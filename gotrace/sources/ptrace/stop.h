/* SPDX-License-Identifier: MIT
 *
 * What stops.c and reads.c share: one stop that says something, as compiled.py unpacks it.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum { GONE = 1, HALTED, BORN, EXECUTING, EXECUTED, REFUSED, WRITING, WROTE, FAILED, SIGNALLED, CLOCKED };

#define PATH_LIMIT 4096
#define MOST_FRAMES 32 /* FAILURE_FRAMES of probes/records.h */
#define ABI_I386 4096  /* bit of a mark */

struct stop {
    int32_t what, tid, status;
    uint32_t mark;
    uint64_t message;
    int64_t result;
    uint64_t ip, args[6];
    uint32_t path1_bytes, path2_bytes, frames, held;
    uint64_t stack[MOST_FRAMES]; /* as many as `frames` says; so it is with `text` */
    char text[2 * PATH_LIMIT];
};

int read_registers(struct stop *stop, struct user_regs_struct *regs);
uint32_t read_string(pid_t tid, uint64_t address, char *into);
uint32_t read_address(struct stop *stop, int position);
void want_stack(uint64_t frame, size_t least);
void read_stack(struct stop *stop, uint64_t frame, size_t size);
