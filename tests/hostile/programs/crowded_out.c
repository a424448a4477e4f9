/* Sixteen children fail in one call after the other; their parent, who is older than all of them, does so 200 times. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 16

int main(void) {
    pid_t children[CHILDREN];
    int ready[2], failed = 0;
    char byte;
    if (pipe(ready)) return 1;
    for (int i = 0; i < CHILDREN; i++) {
        if ((children[i] = fork()) == 0) {
            if (write(ready[1], "x", 1) != 1) _exit(1);
            for (;;) access("/nowhere/of-the-young", F_OK);
        }
    }
    for (int i = 0; i < CHILDREN; i++) if (read(ready[0], &byte, 1) != 1) return 1;
    for (int i = 0; i < 200; i++) failed += access("/nowhere/of-the-old", F_OK) != 0;
    for (int i = 0; i < CHILDREN; i++) kill(children[i], SIGKILL);
    while (wait(NULL) > 0) { }
    printf("%d\n", failed);
    return 0;
}
