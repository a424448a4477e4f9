"""The one translation unit made of all probe files, and what identifies it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from gotrace.errors import CaptureError
from gotrace.resources import probes_dir
from gotrace.sources.ebpf.btf import VMLINUX, Btf

# One module, because each costs 0.25 s of clang; each program in it is loaded and attached on its own.
FILES: Final = ("records.h", "processes.c", "stderr_writes.c", "syscall_errors.c")

PROGRAMS: Final[Mapping[str, str]] = {
    "on_sys_exit": "sys_exit",
    "on_fork": "sched_process_fork",
    "on_exec": "sched_process_exec",
    "on_exit": "sched_process_exit",
}
"""Function -> raw tracepoint. All four are needed: without any one of them a build cannot be followed."""

LICENSE: Final = "Dual MIT/GPL"

# Structures whose names are prefixes of others need to be told apart from the text OFFSET_<structure>_<member>.
_STRUCTURES: Final = (
    "task_struct", "signal_struct", "fs_struct", "files_struct", "thread_info", "linux_binprm", "mm_struct",
    "vfsmount", "fdtable", "dentry", "mount", "inode", "qstr", "file", "path", "pid",
)  # fmt: skip
_CONSTANT = re.compile(r"^#define ((?:KIND|PART|COUNTER|ABI|FLAG)_\w+) (\d+)\s*$", re.MULTILINE)


@cache
def source() -> str:
    """The text that is compiled.

    Raises:
        CaptureError: the installation lacks a probe file.
    """
    try:
        return "\n".join((probes_dir() / name).read_text(encoding="utf-8") for name in FILES)
    except OSError as error:
        raise CaptureError(
            f"{error.filename}: {error.strerror}", "reinstall gotrace: its probes are missing"
        ) from error


def constants() -> dict[str, int]:
    """The numbered names of records.h (KIND_, PART_, COUNTER_, ABI_, FLAG_)."""
    return {name: int(number) for name, number in _CONSTANT.findall(source())}


def members() -> set[tuple[str, str]]:
    """(structure, member) of every OFFSET_structure_member in the source."""
    found = set()
    for text in set(re.findall(r"\bOFFSET_(\w+)", source())):
        structure = next(name for name in _STRUCTURES if text.startswith(name + "_"))
        found.add((structure, text[len(structure) + 1 :]))
    return found


def flags(btf: Btf) -> list[str]:
    """The -D options that carry this kernel's layout.

    Raises:
        CaptureError: this kernel has no such member.
    """
    offsets = btf.offsets(members())
    return [f"-DOFFSET_{s}_{m}={offset}" for (s, m), offset in sorted(offsets.items())] + [
        f"-DSIZE_upid={btf.size('upid')}"
    ]


def _kernel_identity() -> bytes:
    """The running kernel's build id (an ELF note), else its BTF itself."""
    try:
        return Path("/sys/kernel/notes").read_bytes()
    except OSError:
        return VMLINUX.read_bytes() if VMLINUX.exists() else b""


def key() -> str:
    """Names what is cached: this source, compiled for this kernel."""
    digest = hashlib.sha256()
    for part in (source().encode(), repr(sorted(PROGRAMS.items())).encode(), _kernel_identity()):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:40]
