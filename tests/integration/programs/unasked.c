/* Has the C library load a library by itself, which nobody asks dlopen for: libgcc_s, to walk the stack. */
#include <execinfo.h>
#include <stdio.h>

int main(void) {
    void *frames[8];
    return printf("%s\n", backtrace(frames, 8) > 0 ? "walked" : "did not") < 0;
}
