/* Leaves a child behind in a session of its own that fails one call after its parent is gone, then ends with 7. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            usleep(300 * 1000);
            access("/nowhere/from-the-daemon", F_OK);
            _exit(7);
        }
        _exit(0);
    }
    usleep(600 * 1000);
    return 0;
}
