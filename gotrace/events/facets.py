"""Facets: what a capture can observe and what a rule needs, in one enumeration."""

from __future__ import annotations

from enum import StrEnum


class Facet(StrEnum):
    """One thing that a capture observes completely, but for what its `lost` events say."""

    EXECS = "execs"
    """Successful execs with argv, allow-listed environment and working directory; forks and exits."""
    FAILED_EXECS = "failed_execs"
    """execve attempts that were refused, with path and errno."""
    FAILED_PATHS = "failed_paths"
    """Failing system calls that take a path, with the path."""
    ALL_FAILURES = "all_failures"
    """Every failing system call (well-known noise counted)."""
    RESOURCES = "resources"
    """Failing calls without a path that ask for what a program lives on: threads, memory, sockets, polls, rights."""
    STDERR_TEXT = "stderr_text"
    """What go and the C toolchain wrote to their stderr."""
    FROM_START = "from_start"
    """The whole life of the command, from its first instruction."""
    PROBED = "probed"
    """Facts asked from the tools themselves (go env, go list, compilers' targets)."""
    DL_CALLS = "dl_calls"
    """dlopen(3), dlmopen, dlsym, dlvsym and dlerror of every process, with what they returned and who called."""
    LIBRARIES = "libraries"
    """Every executable mapping: the program, its loader, shared objects, the vDSO."""
    SIGNALS = "signals"
    """Signals that end a program unless it is caught (SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS)."""
    CLOCK_READS = "clock_reads"
    """System calls of 64-bit programs that read a clock which the vDSO serves, counted by process and place in code."""
