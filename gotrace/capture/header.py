"""The header of a recording: who records what, where, and what can be seen."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from gotrace.capture.masks import mask_argv
from gotrace.events.recording import Header
from gotrace.events.text import printable
from gotrace.host.distribution import host_facts
from gotrace.resources import VERSION
from gotrace.sources.base import Capture


def new_header(argv: Sequence[str], cwd: str, capture: Capture) -> Header:
    """Header of a capture that is attached and whose command is about to start in `cwd`."""
    now = time.monotonic_ns()
    return Header(
        version=VERSION,
        argv=mask_argv([printable(os.fsencode(word)) for word in argv]),
        cwd=printable(os.fsencode(cwd)),
        source=capture.source,
        observes=tuple(sorted(facet.value for facet in capture.observes)),
        degraded=tuple(capture.degraded),
        host=host_facts(),
        boot_id=_boot_id(),
        wall_offset_ns=time.time_ns() - now,
        pid_namespace=_pid_namespace(),
        started_ns=now,
    )


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> int:
    """Inode number of our PID namespace (namespaces(7)), 0 where /proc does not tell."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
