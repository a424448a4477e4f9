/* Known numbers of failing calls, before and after a seccomp filter of the program's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void filter(int by_prctl) {
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_create1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof steps / sizeof *steps, steps };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (by_prctl) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	else syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static void *asks(void *unused) {
	for (int i = 0; i < 7; i++) epoll_create1(0);
	return 0;
}

int main(int count, char **words) {
	for (int i = 0; i < 5; i++) epoll_create1(0x40);
	for (int i = 0; i < 3; i++) syscall(1023, 1, 2, 3);
	for (int i = 0; i < 4; i++) syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0);
	for (int i = 0; i < 2; i++) mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 6; i++) socket(-1, SOCK_STREAM, 0);
	if (count > 1) filter(!strcmp(words[1], "prctl"));
	for (int i = 0; i < 23; i++) epoll_create1(0);
	for (int i = 0; i < 2; i++) syscall(SYS_openat, AT_FDCWD, "/proc/self/status", 0, 0);
	for (int i = 0; i < 3; i++) access("/nowhere", F_OK);
	pthread_t thread;
	pthread_create(&thread, 0, asks, 0);
	pthread_join(thread, 0);
	if (!fork()) {
		for (int i = 0; i < 11; i++) epoll_create1(0);
		_exit(0);
	}
	wait(0);
	puts("done");
	return 0;
}
