"""What the kernel of this machine offers to a tracer, and who may use it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from gotrace.host.check import Check
from gotrace.host.distribution import package_command

_BTF = Path("/sys/kernel/btf/vmlinux")
_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_STATUS = Path("/proc/self/status")
_PID_NAMESPACE = Path("/proc/self/ns/pid")

MACHINES_NAMESPACES = {"pid": 0xEFFFFFFC, "user": 0xEFFFFFFD}
"""Inode numbers of the namespaces that the machine began with: include/linux/proc_ns.h of the kernel."""

_CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}
"""<linux/capability.h>"""

_SYS_BPF = 321
"""bpf(2) on x86-64."""
_BPF_MAP_CREATE = 0
_BPF_MAP_TYPE_RINGBUF = 27
_SMALLEST_RING = 4096

CAP_NET_ADMIN, CAP_SYS_PTRACE = 12, 19

_YAMA_MODES = {
    "0": "processes of the same user may be traced; gotrace works",
    "1": "only a process's own descendants may be traced; gotrace works, for it starts what it traces",
    "2": "tracing takes CAP_SYS_PTRACE",
    "3": "nobody may trace",
}
"""What each mode of Yama means for gotrace."""

_BCC_PACKAGES = {"debian": "python3-bpfcc", "ubuntu": "python3-bpfcc", "fedora": "python3-bcc", "arch": "python-bcc"}
_BCC_FOLDERS = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3/dist-packages")
_BCC_PATTERNS = ("usr/lib/python3*/site-packages", "usr/lib64/python3*/site-packages")


def checks(*, ebpf_needed: bool = True) -> list[Check]:
    """All that concerns the kernel and BCC, most important first.

    `ebpf_needed`: nothing but eBPF could watch here; else what eBPF lacks is no lack of the machine.
    """
    of_ebpf = [_privileges(), _ring_buffer(), _btf(), _lockdown(), _bcc()]
    if not ebpf_needed:
        of_ebpf = [check if check.ok else check._replace(ok=None) for check in of_ebpf]
    return [_architecture(), *of_ebpf, _pid_namespace(), _ptrace_scope()]


def may_load() -> bool:
    """Whether this process has the capabilities to load and attach tracing programs."""
    return may_trace(effective_capabilities(_read(_STATUS) or ""))


def locked_down() -> bool:
    """Whether the kernel forbids BPF programs to read its memory, whoever asks (kernel_lockdown(7))."""
    return lockdown_mode(_read(_LOCKDOWN) or "") == "confidentiality"


def yama_mode() -> str:
    """Who may trace whom, "0" to "3" (the kernel's Documentation/admin-guide/LSM/Yama.rst); empty without Yama."""
    return (_read(_YAMA) or "").strip()


def capability_mask(status: str, field: str) -> int:
    """One set of capabilities as a mask of bits; 0 where `status` has none.

    `status` is a process's /proc/PID/status, `field` the name there: CapEff, CapPrm (proc(5)).
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            try:
                return int(value.strip(), 16)
            except ValueError:
                break
    return 0


def holds(status: str, capability: int) -> bool:
    """Whether a process has a capability (its number in <linux/capability.h>) in effect, by its /proc/PID/status."""
    return bool(capability_mask(status, "CapEff") >> capability & 1)


def effective_capabilities(status: str) -> frozenset[str]:
    """Which of the capabilities that matter here a process has, by its /proc/PID/status."""
    mask = capability_mask(status, "CapEff")
    return frozenset(name for name, bit in _CAPABILITIES.items() if mask >> bit & 1)


def may_trace(capabilities: Iterable[str]) -> bool:
    """Whether capabilities suffice to load and attach tracing programs (capabilities(7), since Linux 5.8)."""
    held = set(capabilities)
    return "CAP_SYS_ADMIN" in held or {"CAP_BPF", "CAP_PERFMON"} <= held


def lockdown_mode(text: str) -> str:
    """The mode that brackets mark in /sys/kernel/security/lockdown: none, integrity or confidentiality."""
    return text.partition("[")[2].partition("]")[0] or "none"


def bcc_location() -> Path | None:
    """Folder of BCC's Python package, wherever the distribution puts it; None where it is not installed.

    Root imports what is found, so only the system's own folders are looked into, never sys.path. The package called
    "bcc" on PyPI is another project: BCC's has a libbcc.py.
    """
    globbed = (folder for pattern in _BCC_PATTERNS for folder in sorted(Path("/").glob(pattern)))
    for folder in (*map(Path, _BCC_FOLDERS), *globbed):
        if (folder / "bcc" / "libbcc.py").is_file():
            return folder / "bcc"
    return None


def bcc_remedy() -> str:
    """How BCC is installed here."""
    command = package_command(_BCC_PACKAGES) or "install BCC's Python bindings of the distribution"
    return f"{command} (the package named bcc on PyPI is another project)"


def _architecture() -> Check:
    machine = os.uname().machine
    remedy = "" if machine == "x86_64" else "Record on an x86-64 machine; recordings can be read here."
    return Check("architecture", machine == "x86_64", machine, remedy)


def _privileges() -> Check:
    held = effective_capabilities(_read(_STATUS) or "")
    if may_trace(held):
        return Check("privileges", True, ", ".join(sorted(held)))
    if os.geteuid() == 0:
        return Check(
            "privileges", False, "root without CAP_BPF and CAP_PERFMON", "docker run --cap-add BPF --cap-add PERFMON"
        )
    if shutil.which("sudo"):
        # Not tried: where it is not allowed that would be logged, and mailed to the administrator (sudoers(5)).
        detail = "none; sudo is installed, whether it lets you is not known"
        return Check("privileges", None, detail, "gotrace build --sudo -- COMMAND")
    return Check("privileges", False, "neither CAP_BPF with CAP_PERFMON nor sudo", "Run gotrace as root.")


def _ring_buffer() -> Check:
    release = os.uname().release
    if not may_load():
        detail = f"Linux {release}; only who has CAP_BPF can try it (Linux 5.8 has it)"
        return Check("ring buffer", None, detail, "sudo gotrace doctor" if os.geteuid() else "")
    problem = try_ring_buffer()
    if problem is None:
        return Check("ring buffer", True, f"Linux {release}")
    remedy = "A kernel of Linux 5.8 or newer has it." if problem == errno.EINVAL else ""
    return Check("ring buffer", False, f"Linux {release}: {os.strerror(problem)}", remedy)


def try_ring_buffer() -> int | None:
    """Make the smallest BPF ring buffer and drop it again: None where that works, else the errno of bpf(2)."""
    if os.uname().machine != "x86_64":
        return errno.ENOSYS
    attributes = (ctypes.c_uint32 * 16)(_BPF_MAP_TYPE_RINGBUF, 0, 0, _SMALLEST_RING)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    descriptor = syscall(_SYS_BPF, _BPF_MAP_CREATE, ctypes.byref(attributes), ctypes.sizeof(attributes))
    if descriptor < 0:
        return ctypes.get_errno()
    os.close(descriptor)
    return None


def _btf() -> Check:
    if _BTF.exists():
        return Check("kernel BTF", True, str(_BTF))
    return Check("kernel BTF", False, f"no {_BTF}", "Boot a kernel built with CONFIG_DEBUG_INFO_BTF=y.")


def _lockdown() -> Check:
    mode = lockdown_mode(_read(_LOCKDOWN) or "")
    if not locked_down():
        return Check("kernel lockdown", True, mode)
    remedy = "Boot without lockdown=confidentiality: it forbids BPF programs to read kernel memory."
    return Check("kernel lockdown", False, mode, remedy)


def _bcc() -> Check:
    place = bcc_location()
    if place:
        return Check("BCC", True, str(place))
    return Check("BCC", False, "not installed", bcc_remedy())


def _pid_namespace() -> Check:
    try:
        inside = _PID_NAMESPACE.stat().st_ino != MACHINES_NAMESPACES["pid"]
    except OSError:
        return Check("PID namespace", None, "unknown: /proc is not there")
    return Check("PID namespace", True, "an inner one (a container)" if inside else "the machine's own")


def _ptrace_scope() -> Check:
    mode = yama_mode()
    if not mode:
        return Check("ptrace scope", True, "no Yama: processes of the same user may be traced; gotrace works")
    detail = f"{mode}: {_YAMA_MODES.get(mode, 'a mode that gotrace does not know')}"
    if mode == "3":
        remedy = "It holds until the next boot: boot with kernel.yama.ptrace_scope=1 in sysctl.conf."
        return Check("ptrace scope", None, detail, remedy)
    if mode == "2" and not holds(_read(_STATUS) or "", CAP_SYS_PTRACE):
        return Check("ptrace scope", None, detail, "sysctl kernel.yama.ptrace_scope=1")
    return Check("ptrace scope", True if mode in _YAMA_MODES else None, detail)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
