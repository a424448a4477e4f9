"""The seccomp filter that makes only the observed calls stop, and its installation in the launched child.

The kernel evaluates the filter once for each call number when it is installed, and calls that are allowed by number
alone never run it again (kernel/seccomp.c, seccomp_cache_prepare), so all others cost the tracee next to nothing.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

from gotrace.sources.ptrace.calls import ABIS, CLONE_UNTRACED, Call, Kind, births, observed

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x05, 0x15, 0x45, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JA, |JEQ|K, |JSET|K, BPF_RET|K of <linux/bpf_common.h>."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data (<linux/seccomp.h>); an argument is 8 bytes, its low half first."""
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_AUDIT_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "i386": 0x40000003}
_AT_EMPTY_PATH: Final = 0x1000
_FLAGS_ARGUMENT: Final = {"newfstatat": 3, "fstatat64": 3, "statx": 2}
"""Where (from 0) the flags are that make a call an fstat(2)."""

_SYS_SECCOMP: Final = 317
_SECCOMP_SET_MODE_FILTER: Final = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW: Final = 4
"""Or kernels before 5.16 would slow the tracee down by guarding it against speculative execution (seccomp(2))."""
_PR_SET_NO_NEW_PRIVS: Final = 38

Instruction = tuple[int, int, int, int]
"""struct sock_filter: code, jump if true, jump if false, operand."""


def program(*, stdout: bool) -> list[Instruction]:
    """The filter; `stdout`: writes to descriptor 1 stop as well (they are only counted)."""
    per_abi = []
    for position, abi in enumerate(ABIS):
        stopping = [call for call in (*observed(), *births()) if call.abi == position]
        calls = [step for call in stopping for step in _for(call, stdout=stdout)]
        body = [(_LOAD, 0, 0, _NUMBER), *calls, (_RETURN, 0, 0, _ALLOW)]
        per_abi += [(_JUMP_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[abi]), (_JUMP, 0, 0, len(body)), *body]
    return [(_LOAD, 0, 0, _ARCHITECTURE), *per_abi, (_RETURN, 0, 0, _ALLOW)]


def _for(call: Call, *, stdout: bool) -> list[Instruction]:
    """Stop at this call; if it is another one, go on behind these instructions with the number still loaded."""
    stop = (_RETURN, 0, 0, _TRACE | call.mark)
    if call.kind is Kind.WRITE:
        allow = (_RETURN, 0, 0, _ALLOW)
        then = [
            (_LOAD, 0, 0, _argument(2)),
            (_JUMP_EQUAL, 4, 0, 0),  # cmd/go writes zero bytes a hundred times in a build
            (_LOAD, 0, 0, _argument(0)),
            (_JUMP_EQUAL, 1, 0, 2),
            (_JUMP_EQUAL, 0, 1, 1) if stdout else (_JUMP, 0, 0, 1),
            stop,
            allow,
        ]
    elif call.kind is Kind.CLONE:
        asked = (_JUMP_SET, 0, 1, CLONE_UNTRACED)
        then = [(_LOAD, 0, 0, _argument(0)), asked, stop, (_RETURN, 0, 0, _ALLOW)]
    elif call.name in _FLAGS_ARGUMENT:
        flags = _argument(_FLAGS_ARGUMENT[call.name])
        then = [(_LOAD, 0, 0, flags), (_JUMP_SET, 0, 1, _AT_EMPTY_PATH), (_RETURN, 0, 0, _ALLOW), stop]
    else:
        then = [stop]
    return [(_JUMP_EQUAL, 0, len(then), call.number), *then]


def _argument(position: int) -> int:
    return _ARGUMENTS + 8 * position


class _Program(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """The filter, ready to be installed: made before the fork, because a forked child should do little."""

    def __init__(self, *, stdout: bool) -> None:
        instructions = program(stdout=stdout)
        self._code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *one) for one in instructions))
        self._program = _Program(len(instructions), ctypes.addressof(self._code))
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
        flags = _SECCOMP_FILTER_FLAG_SPEC_ALLOW
        done = self._syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(self._program))
        return ctypes.get_errno() if done else 0
