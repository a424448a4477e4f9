/* Programs that lock themselves up, or ask who watches them; argv[1] says how. They fail one call afterwards. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void then_fail(void) {
    printf("access: %s\n", access("/nowhere/when-locked", F_OK) ? strerror(errno) : "found");
}

/* A filter that answers mkdir as `action` says. */
static int filter(unsigned action, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void make_folder(void) { printf("mkdir: %s\n", mkdirat(-1, "", 0) ? strerror(errno) : "made"); }

static int send_descriptor(int socket, int descriptor) {
    char byte = 'x', control[CMSG_SPACE(sizeof descriptor)] = {0};
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_descriptor(int socket) {
    int descriptor = -1;
    char byte, control[CMSG_SPACE(sizeof descriptor)];
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) == 1) memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

/* A supervisor decides the calls of its child: the first fails as it says, the second goes on. */
static void supervise(void) {
    int ends[2], status;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return;
    pid_t pid = fork();
    if (pid == 0) {
        int listener = filter(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
        if (send_descriptor(ends[1], listener)) _exit(98);
        for (int i = 0; i < 2; i++) printf("supervised: %s\n", syscall(SYS_mkdir, "", 0) ? strerror(errno) : "made");
        then_fail();
        fflush(stdout);
        _exit(7);
    }
    int listener = receive_descriptor(ends[0]);
    for (int i = 0; i < 2; i++) {
        struct seccomp_notif asked = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) break;
        struct seccomp_notif_resp answer = {.id = asked.id, .error = i ? 0 : -EXDEV};
        if (i) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    waitpid(pid, &status, 0);
    printf("exit %d\n", WEXITSTATUS(status));
}

static void who_watches(void) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "TracerPid:", 10)) printf("traced: %d\n", strcmp(line, "TracerPid:\t0\n") != 0);
    fclose(status);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    char *how = argv[1];
    if (!strcmp(how, "not-dumpable")) {
        printf("prctl: %d\n", prctl(PR_SET_DUMPABLE, 0));
        fprintf(stderr, "said when locked\n");
    } else if (!strcmp(how, "filter")) {
        printf("filter: %d\n", filter(SECCOMP_RET_ERRNO | EMLINK, 0));
        printf("mkdir: %s\n", syscall(SYS_mkdir, "/nowhere/refused", 0) ? strerror(errno) : "made");
        make_folder();
    } else if (!strcmp(how, "supervisor")) {
        supervise();
    } else if (!strcmp(how, "strict")) {
        int done = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
        const char *text = done ? "strict: refused\n" : "strict: set\n";
        (void)!write(1, text, strlen(text));
        syscall(SYS_exit, 7);
    } else if (!strcmp(how, "traceme")) {
        printf("traceme: %s\n", ptrace(PTRACE_TRACEME, 0, 0, 0) ? strerror(errno) : "done");
    } else if (!strcmp(how, "who")) {
        who_watches();
    }
    then_fail();
    return 7;
}
