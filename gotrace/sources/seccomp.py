"""Installs a seccomp filter in this process; what a filter is made of (<linux/seccomp.h>, <linux/filter.h>)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from typing import Final

LOAD, JUMP, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x05, 0x15, 0x45, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JA, |JEQ|K, |JSET|K, BPF_RET|K of <linux/bpf_common.h>."""
JUMP_FROM, OR, RETURN_THAT = 0x35, 0x44, 0x16
"""BPF_JMP|JGE|K, BPF_ALU|OR|K, BPF_RET|A."""
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; an argument is 8 bytes, its low half first."""
ALLOW, TRACE, ERRNO = 0x7FFF0000, 0x7FF00000, 0x00050000
"""What a filter returns; the low 16 bits are for the tracer, or the errno."""
AUDIT_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "i386": 0x40000003}

SPEC_ALLOW: Final = 4
"""SECCOMP_FILTER_FLAG_SPEC_ALLOW."""
_SYS_SECCOMP: Final = 317
_SECCOMP_SET_MODE_FILTER: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, jump if true, jump if false, operand."""


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Installable:
    """A filter, ready to be installed: made before a fork, because a forked child should do little."""

    def __init__(self, instructions: Sequence[Instruction], *, flags: int = 0) -> None:
        self._code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in instructions))
        self._program = _Program(len(instructions), ctypes.addressof(self._code))
        self._flags = flags
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall, self._prctl = libc.syscall, libc.prctl

    def install(self) -> None:
        """Have it in this process and all it will start, for good.

        Without CAP_SYS_ADMIN the kernel asks for no_new_privs first: nobody may filter the calls of a program that
        runs with more rights than their own (seccomp(2)).

        Raises:
            OSError: the kernel refuses.
        """
        problem = self._install()
        if problem == errno.EACCES:
            if self._prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "no_new_privs")
            problem = self._install()
        if problem:
            raise OSError(problem, os.strerror(problem))

    def _install(self) -> int:
        """0, or the errno."""
        done = self._syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, self._flags, ctypes.byref(self._program))
        return ctypes.get_errno() if done else 0
