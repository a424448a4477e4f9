"""Reads and writes recordings (.gotrace, .gotrace.zst): a header line, then one JSON line per event."""

from __future__ import annotations

from typing import Any

import msgspec

MAGIC = "gotrace"
SCHEMA = 1


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Line 1 of a recording: who recorded what, where, and what could be seen.

    `wall_offset_ns` added to an event's `ts_ns` gives nanoseconds of the Unix epoch. `host` has the keys machine,
    kernel, distribution, distribution_version, libc.
    """

    magic: str = MAGIC
    schema: int = SCHEMA
    version: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    source: str = ""
    observes: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    host: dict[str, Any] = {}
    boot_id: str = ""
    wall_offset_ns: int = 0
    pid_namespace: int = 0
    started_ns: int = 0
