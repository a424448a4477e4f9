"""Headers of the Linux kernel for a compiler that searches musl's headers alone."""

from __future__ import annotations

import posixpath
import shlex

from gotrace.rules import fixes, packages
from gotrace.rules.finding import Fix
from gotrace.rules.includes import MissingHeader
from gotrace.trace.model import Trace

_OF_THE_KERNEL = ("linux/", "asm/", "asm-generic/")
_FOLDER = "kernel-headers"
_PLACE_HELD = "KERNEL-HEADERS-GO-HERE"


def fix(trace: Trace, missing: MissingHeader) -> Fix | None:
    """The way to give the compiler the kernel's headers and not glibc's; None for a header that is not the kernel's.

    They depend on no C library, but lie in the midst of glibc's: -I/usr/include would bring those too.
    """
    if not missing.name.startswith(_OF_THE_KERNEL):
        return None
    of_machine = _of_machine(missing)
    if of_machine is None or not _are_there(trace, missing.name):
        holders = packages.holders_of_header(missing.name)
        wanted = holders[0].packages if holders else ()
        install = fixes.build_package(trace, missing.compiler.build, wanted, f"Install the kernel's {missing.name}")
        return install or Fix(f"Install the kernel's headers for user programs; the missing file is {missing.name}.")
    folders = ("/usr/include/linux", "/usr/include/asm-generic", of_machine)
    build = missing.compiler.build
    old = (build.env.get("CGO_CFLAGS") if build is not None else None) or "-O2 -g"
    again = shlex.join(fixes.rerun(trace, build, {"CGO_CFLAGS": f"{old} -isystem {_PLACE_HELD}"}))
    again = again.replace(_PLACE_HELD, f"'\"$PWD/{_FOLDER}\"'")
    line = f"mkdir -p {_FOLDER} && ln -sfn {shlex.join(folders)} {_FOLDER}/ && {again}"
    text = "The kernel's headers serve every C library: link them to a folder of their own, and let it be searched."
    return Fix(text, ("sh", "-c", line))


def _of_machine(missing: MissingHeader) -> str | None:
    """/usr/include/x86_64-linux-gnu/asm beside a compiler that searches /usr/include/x86_64-linux-musl (Debian)."""
    searched = (posixpath.basename(folder) for folder in missing.folders)
    triple = next((name for name in searched if name.endswith("-linux-musl")), None)
    return None if triple is None else f"/usr/include/{triple.removesuffix('musl')}gnu/asm"


def _are_there(trace: Trace, name: str) -> bool:
    found = (trace.fact("header", name) or {}).get("found") or []
    return any(str(path) == f"/usr/include/{name}" for path in found) or name.startswith("asm/")
