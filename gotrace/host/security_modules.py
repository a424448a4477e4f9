"""The Linux security modules of this kernel, and what they say of themselves.

Sources: lsm_list_modules(2) and the numbers of <linux/lsm.h> (Linux 6.8); before that /sys/kernel/security/lsm.
landlock_create_ruleset(2) tells Landlock's version and changes nothing.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import Final

from gotrace.host.kernel import lockdown_mode

_NAMES: Final = {
    100: "capability", 101: "selinux", 102: "smack", 103: "tomoyo", 104: "apparmor", 105: "yama", 106: "loadpin",
    107: "safesetid", 108: "lockdown", 109: "bpf", 110: "landlock", 111: "ima", 112: "evm", 113: "ipe",
}  # fmt: skip
_SYS_LSM_LIST_MODULES: Final = 461
_SYS_LANDLOCK_CREATE_RULESET: Final = 444
_TELL_VERSION: Final = 1
"""LANDLOCK_CREATE_RULESET_VERSION"""
_MOST: Final = 64
_LIST: Final = Path("/sys/kernel/security/lsm")
_LOCKDOWN: Final = Path("/sys/kernel/security/lockdown")
_SELINUX: Final = Path("/sys/fs/selinux/enforce")


def active() -> tuple[str, ...]:
    """The names of those that are active, in the kernel's order; empty where nothing tells."""
    found = _listed_by_the_kernel() or _listed_in_a_file()
    return found if "landlock" in found or not landlock_version() else (*found, "landlock")


def landlock_version() -> int:
    """The version of Landlock's interface; 0 where this kernel has none, or where it is not active."""
    return max(0, _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_TELL_VERSION)))


def selinux_enforces() -> bool | None:
    """Whether SELinux refuses what its policy forbids (enforcing mode); None where there is no SELinux."""
    with suppress(OSError):
        return _SELINUX.read_text(encoding="ascii").strip() == "1"
    return None


def lockdown() -> str:
    """The mode of lockdown, `integrity` or `confidentiality`; empty where it is off, or where that is not told."""
    with suppress(OSError):
        mode = lockdown_mode(_LOCKDOWN.read_text(encoding="ascii", errors="replace"))
        return "" if mode == "none" else mode
    return ""


def label_files(pid: int) -> tuple[str, str]:
    """Where the label of a process may stand, AppArmor's own file first: the other is that of the first module."""
    return f"/proc/{pid}/attr/apparmor/current", f"/proc/{pid}/attr/current"


def _listed_by_the_kernel() -> tuple[str, ...]:
    numbers, size = (ctypes.c_uint64 * _MOST)(), ctypes.c_uint32(_MOST * 8)
    count = _syscall(_SYS_LSM_LIST_MODULES, numbers, ctypes.byref(size), ctypes.c_uint32(0))
    return tuple(_NAMES.get(number, f"number {number}") for number in numbers[: max(0, count)])


def _listed_in_a_file() -> tuple[str, ...]:
    with suppress(OSError):
        return tuple(filter(None, _LIST.read_text(encoding="ascii", errors="replace").strip().split(",")))
    return ()


def _syscall(number: int, *arguments: object) -> int:
    syscall = ctypes.CDLL(None).syscall
    syscall.restype = ctypes.c_long
    return int(syscall(ctypes.c_long(number), *arguments))
