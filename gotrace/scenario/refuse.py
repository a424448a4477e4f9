"""A seccomp filter by which chosen system calls fail with a chosen errno, in this process and all it starts."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping
from typing import Final

_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K of <linux/bpf_common.h>."""
_NUMBER, _ARCHITECTURE = 0, 4
"""Offsets in struct seccomp_data (<linux/seccomp.h>)."""
_X86_64: Final = 0xC000003E
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_SYS_SECCOMP: Final = 317
_SECCOMP_SET_MODE_FILTER: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, jump if true, jump if false, operand."""


def program(refused: Mapping[int, int]) -> list[Instruction]:
    """The filter: number of a call of x86-64 -> errno. Calls of other ABIs (i386) pass."""
    checks = [
        step
        for number, error in refused.items()
        for step in ((_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | error))
    ]
    start = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, _X86_64),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _NUMBER),
    ]
    return [*start, *checks, (_RETURN, 0, 0, _ALLOW)]


class _Program(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(refused: Mapping[int, int]) -> None:
    """Have these calls fail from now on.

    Without CAP_SYS_ADMIN the kernel asks for no_new_privs first (seccomp(2)): sudo does not work inside then.

    Raises:
        OSError: the kernel refuses it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = program(refused)
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in instructions))
    whole = _Program(len(instructions), ctypes.addressof(code))
    if libc.syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(whole)) == 0:
        return
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(whole)):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot install a seccomp filter: {os.strerror(number)}")
