"""The ptrace source: what an ordinary user can see of a command, without root (ptrace(2), seccomp(2))."""
