/* Makes argv[1] children, at most 50 at a time, each of which ends at once with its number's low 7 bits. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int many = argc > 1 ? atoi(argv[1]) : 0, running = 0;
    for (int i = 0; i < many; i++) {
        if (fork() == 0) _exit(i & 127);
        if (++running == 50) { wait(NULL); running--; }
    }
    while (wait(NULL) > 0) { }
    return 0;
}
