/* Execs argv[1] with no arguments at all; Linux since 5.18 puts an empty string in their place. */
#include <unistd.h>

int main(int argc, char **argv) {
    char *none[] = {NULL};
    return argc == 2 ? execve(argv[1], none, none) : 2;
}
