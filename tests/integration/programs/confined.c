/* CONFINED? FOLDERS ACTION PATH [PATH]: confines itself by Landlock to FOLDERS (separated by colons) where the first word
   is "yes", acts, and, if that is refused, ends with 1 some time later. ACTION: read, create, mkdir, unlink, rename, stat, execute, bind. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALL_OF_THE_FIRST_VERSION ((1ULL << 13) - 1)

static int confine(char *folders) {
	/* struct landlock_ruleset_attr since version 4, which older headers do not have: files, TCP (bind). */
	unsigned long long handled[2] = { ALL_OF_THE_FIRST_VERSION, 1 };
	int version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset = syscall(SYS_landlock_create_ruleset, handled, version < 4 ? sizeof *handled : sizeof handled, 0);
	if (ruleset < 0) return -1;
	for (char *folder = strtok(folders, ":"); folder; folder = strtok(NULL, ":")) {
		struct landlock_path_beneath_attr rule = { ALL_OF_THE_FIRST_VERSION, open(folder, O_PATH | O_CLOEXEC) };
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) return -1;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset, 0);
}

static int listen_on(const char *port) {
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

int main(int count, char **words) {
	const char *action = words[3], *path = words[4];
	struct stat found;
	int result = -1;
	if (count < 5 || (!strcmp(words[1], "yes") && confine(words[2]))) return 125;
	if (!strcmp(action, "read")) result = open(path, O_RDONLY);
	else if (!strcmp(action, "create")) result = open(path, O_WRONLY | O_CREAT, 0644);
	else if (!strcmp(action, "mkdir")) result = mkdir(path, 0755);
	else if (!strcmp(action, "unlink")) result = unlink(path);
	else if (!strcmp(action, "rename")) result = rename(path, words[5]);
	else if (!strcmp(action, "stat")) result = stat(path, &found);
	else if (!strcmp(action, "execute")) result = execl(path, path, NULL);
	else if (!strcmp(action, "bind")) result = listen_on(path);
	if (result >= 0) return 0;
	perror(action);
	usleep(300000);
	return 1;
}
