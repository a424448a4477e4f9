/* Says something through puts, which somebody may have put themselves before. */
#include <stdio.h>

int main(void) { return puts("here") < 0; }
