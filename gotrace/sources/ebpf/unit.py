"""The one translation unit made of all probe files, and what identifies it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from gotrace.errors import CaptureError
from gotrace.resources import probes_dir
from gotrace.sources.ebpf.btf import VMLINUX, Btf

# One module, because each costs 0.25 s of clang; each program in it is loaded and attached on its own.
FILES: Final = ("records.h", "processes.c", "stderr_writes.c", "failures.c", "syscall_errors.c")
RUN_FILES: Final = (
    "records.h", "running.h", "attached.c", "processes.c", "mappings.c", "bursts.c", "stacks.c", "signals.c",
    "dynamic.c", "stderr_writes.c", "failures.c", "connecting.c", "clock_reads.c", "syscall_errors.c",
)  # fmt: skip
"""The unit of a capture that follows a program's run: builds neither compile nor load what only that needs."""

PROGRAMS: Final[Mapping[str, str]] = {
    "on_sys_exit": "sys_exit",
    "on_fork": "sched_process_fork",
    "on_exec": "sched_process_exec",
    "on_exit": "sched_process_exit",
}
"""Function -> raw tracepoint. All four are needed: without any one of them a build cannot be followed."""
TYPED_PROGRAMS: Final[Mapping[str, str]] = dict.fromkeys(
    ("on_sys_exit", "on_failure_record", "on_stack_of_call", "on_mapped"), "sys_exit"
)
"""Function -> raw tracepoint whose arguments the verifier knows the types of (tp_btf); records.h says what for."""

RUN_PROGRAMS: Final[Mapping[str, str]] = {"on_exec_mappings": "sched_process_exec", "on_signal": "signal_deliver"}
"""What a run is followed with beside them. Without one of these the capture is degraded."""
TAIL_PROGRAMS: Final[Mapping[str, tuple[str, str]]] = {
    "on_library": ("tail_programs", "TAIL_LIBRARY"),
    "on_goroutine": ("tail_programs", "TAIL_GOROUTINE"),
    "on_failure_record": ("typed_tails", "TAIL_FAILURE"),
    "on_stack_of_call": ("typed_tails", "TAIL_STACK"),
    "on_mapped": ("typed_tails", "TAIL_MAPPED"),
}
"""Function -> the map through which others call it, and its place there."""
DL_PROGRAM: Final = "on_dl_call"
"""Attached to functions of C libraries, by uprobes."""

LICENSE: Final = "Dual MIT/GPL"

# Structures whose names are prefixes of others need to be told apart from the text OFFSET_<structure>_<member>.
_STRUCTURES: Final = (
    "task_struct", "signal_struct", "fs_struct", "files_struct", "thread_info", "linux_binprm", "mm_struct",
    "mnt_namespace", "ns_common", "vfsmount", "nsproxy", "fdtable", "dentry", "mount", "inode", "qstr", "file", "path",
    "pid", "thread_struct", "kernel_siginfo", "super_block", "vm_area_struct", "vm_special_mapping", "maple_tree",
    "maple_range_64", "maple_arange_64",
)  # fmt: skip
_DUMPABLE: Final = ("mm_struct", "flags")
_MAPLE_TREE: Final = ("maple_tree", "maple_range_64", "maple_arange_64")
_CONSTANT = re.compile(r"^#define ((?:KIND|PART|COUNTER|ABI|FLAG|DL|TAIL)_\w+) (\d+)\b", re.MULTILINE)


@cache
def source(*, running: bool = False) -> str:
    """The text that is compiled; `running`: to follow a program's run.

    Raises:
        CaptureError: the installation lacks a probe file.
    """
    try:
        files = RUN_FILES if running else FILES
        return "\n".join((probes_dir() / name).read_text(encoding="utf-8") for name in files)
    except OSError as error:
        raise CaptureError(
            f"{error.filename}: {error.strerror}", "reinstall gotrace: its probes are missing"
        ) from error


def programs(*, running: bool = False) -> tuple[str, ...]:
    """Names of all functions that become programs."""
    return (*PROGRAMS, *RUN_PROGRAMS, *TAIL_PROGRAMS, DL_PROGRAM) if running else tuple(PROGRAMS)


def constants(*, running: bool = False) -> dict[str, int]:
    """The numbered names of records.h (KIND_, PART_, COUNTER_, ABI_, FLAG_), and of the files of a run (DL_, TAIL_)."""
    return {name: int(number) for name, number in _CONSTANT.findall(source(running=running))}


def members(*, running: bool = False) -> set[tuple[str, str]]:
    """(structure, member) of every OFFSET_structure_member in the source."""
    found = set()
    for text in set(re.findall(r"\bOFFSET_(\w+)", source(running=running))):
        structure = next(name for name in _STRUCTURES if text.startswith(name + "_"))
        found.add((structure, text[len(structure) + 1 :]))
    return found


def flags(btf: Btf, *, running: bool = False) -> list[str]:
    """The -D options that carry this kernel's layout.

    Raises:
        CaptureError: this kernel has no such member.
    """
    needed = members(running=running)
    of_tree = {one for one in needed if one[0] in _MAPLE_TREE or one == ("mm_struct", "mm_mt")}
    offsets = btf.offsets(needed - of_tree - {_DUMPABLE})
    found = [f"-DSIZE_upid={btf.size('upid')}"]
    if btf.mentions("BPF_FUNC_get_current_task_btf"):  # Linux 5.11
        found.append("-DHAS_TYPED_TASK")
    if running:
        found.append("-DRUNNING")
        with suppress(CaptureError):  # before Linux 6.1
            offsets |= btf.offsets(of_tree)
            found.append("-DHAS_MAPLE_TREE")
        with suppress(CaptureError):
            offsets |= btf.offsets({_DUMPABLE})
            found.append("-DHAS_DUMPABLE")
    return [f"-DOFFSET_{s}_{m}={offset}" for (s, m), offset in sorted(offsets.items())] + found


def _kernel_identity() -> bytes:
    """The running kernel's build id (an ELF note), else its BTF itself."""
    try:
        return Path("/sys/kernel/notes").read_bytes()
    except OSError:
        return VMLINUX.read_bytes() if VMLINUX.exists() else b""


def key(*, running: bool = False) -> str:
    """Names what is cached: this source, compiled for this kernel."""
    digest = hashlib.sha256()
    for part in (source(running=running).encode(), repr(programs(running=running)).encode(), _kernel_identity()):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:40]
