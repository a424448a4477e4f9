/* `chain N`: each process makes the next, the last fails one call. `crowd N`: N programs that live at the same time. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int chain(int depth) {
    int status;
    if (depth == 0) return access("/nowhere/at-the-end", F_OK) ? 7 : 1;
    pid_t pid = fork();
    if (pid == 0) _exit(chain(depth - 1));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 99;
    return WEXITSTATUS(status);
}

/* Says that it is there, waits until all are, fails one call and says so on stderr. */
static int one_of_the_crowd(void) {
    char byte;
    if (write(3, "x", 1) != 1) return 1;
    while (read(4, &byte, 1) > 0) { }
    access("/nowhere/of-one", F_OK);
    return write(2, "one\n", 4) == 4 ? 7 : 1;
}

static int crowd(char *self, int many) {
    int here[2], gate[2], good = 0, status;
    char byte;
    if (pipe(here) || pipe(gate)) return 1;
    for (int i = 0; i < many; i++) {
        if (fork() == 0) {
            int said = dup3(here[1], 40, 0), opens = dup3(gate[0], 41, 0);
            close(here[0]), close(here[1]), close(gate[0]), close(gate[1]);
            dup2(said, 3), dup2(opens, 4), close(40), close(41);
            execl(self, self, "one", "0", NULL);
            _exit(1);
        }
    }
    for (int i = 0; i < many; i++) if (read(here[0], &byte, 1) != 1) return 1;
    close(gate[0]), close(gate[1]);
    while (wait(&status) > 0) good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
    printf("%d of %d\n", good, many);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    if (!strcmp(argv[1], "chain")) {
        printf("the last of %s ended with %d\n", argv[2], chain(atoi(argv[2])));
        return 0;
    }
    return strcmp(argv[1], "one") ? crowd(argv[0], atoi(argv[2])) : one_of_the_crowd();
}
