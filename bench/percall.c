/* SPDX-License-Identifier: MIT
 *
 * Nanoseconds of one system call: percall getppid|access|access-ok COUNT
 * getppid and access-ok succeed; access of a path that does not exist fails with ENOENT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[2]) : 0, i;
	const char *path = argc == 3 && !strcmp(argv[1], "access-ok") ? "/" : "/nonexistent/file";
	double began;

	if (count <= 0)
		return 2;
	began = now_ns();
	if (!strcmp(argv[1], "getppid"))
		for (i = 0; i < count; i++)
			syscall(SYS_getppid);
	else
		for (i = 0; i < count; i++)
			syscall(SYS_access, path, R_OK);
	printf("%.1f\n", (now_ns() - began) / count);
	return 0;
}
