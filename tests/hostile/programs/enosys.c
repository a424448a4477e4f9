/* Five processes that look for a file without end, and say so if that fails for any other reason than its absence. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    for (int i = 0; i < 4; i++) if (fork() == 0) break;
    dprintf(1, "here\n");
    for (;;) {
        if (access("/nowhere/all-the-time", F_OK) == 0 || errno != ENOENT) dprintf(1, "%s\n", strerror(errno));
    }
}
