"""Why the process connector does not work here, found out by trying it, and what would change that."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.host.kernel import CAP_NET_ADMIN, MACHINES_NAMESPACES, holds
from gotrace.sources.base import Lack
from gotrace.sources.netlink.connector import Connector

_PATIENCE_S: Final = 1.0
"""The kernel answers before send(2) returns, but on a busy machine many messages may stand before the answer."""

_NOT_PERMITTED: Final = Lack("no CAP_NET_ADMIN", "run gotrace as root (since Linux 6.6 anybody may)", privilege=True)
_NOT_BUILT_IN: Final = Lack(
    "this kernel has no process connector", "use a kernel built with CONFIG_CONNECTOR=y and CONFIG_PROC_EVENTS=y"
)
_NETWORK: Final = Lack(
    "a network namespace of its own, as containers have: the process connector is in the machine's",
    "run gotrace outside of the container, or start that with the host's network and PID namespaces",
)
_PID: Final = Lack(
    "a PID namespace of its own, as containers have: the process connector does not talk to it",
    "run gotrace outside of the container, or start that with the host's PID namespace",
)
_USER: Final = Lack(
    "a user namespace of its own, as rootless containers have: the process connector does not talk to it",
    "run gotrace outside of the container",
)


def obstacle() -> Lack | None:
    """What keeps this process from listening; None where it works."""
    try:
        connector = Connector()
    except OSError as error:
        return _refusal(error.errno or 0)
    try:
        return unanswered(connector)
    finally:
        connector.close()


def unanswered(connector: Connector) -> Lack | None:
    """Wait for the kernel's answer to a subscription: why there is none or a refusal; None where it agreed."""
    answer = connector.acknowledged(_PATIENCE_S)
    if answer == 0:
        return None
    return _silence() if answer is None else _refusal(answer)


def error_of(cause: OSError | Lack) -> CaptureError:
    """The error that tells it: a NotPermittedError where more rights would help."""
    lack = _refusal(cause.errno or 0) if isinstance(cause, OSError) else cause
    kind = NotPermittedError if lack.privilege else CaptureError
    return kind(f"the process connector cannot be used: {lack.what}", lack.remedy)


def _refusal(number: int) -> Lack:
    if number == errno.EPERM:
        return _NOT_PERMITTED
    if number == errno.ECONNREFUSED:
        return _NETWORK
    if number in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
        return _NOT_BUILT_IN
    return Lack(f"the process connector: {os.strerror(number)}", "use another backend")


def _silence() -> Lack:
    """The kernel does not answer whom it will not serve, so that only the usual reasons can be looked at."""
    if _in_namespace_of_its_own("pid"):
        return _PID
    if _in_namespace_of_its_own("user"):
        return _USER
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    if not holds(status, CAP_NET_ADMIN):
        return _NOT_PERMITTED
    return _NOT_BUILT_IN


def _in_namespace_of_its_own(kind: str) -> bool:
    try:
        return Path(f"/proc/self/ns/{kind}").stat().st_ino != MACHINES_NAMESPACES[kind]
    except OSError:
        return False
