"""The privileged part of eBPF for acts of an ordinary user: started through sudo outside of the act's environment.

Inside, sudo may have no power: a user namespace has no root, and a seccomp filter of an ordinary user's takes
set-user-ID programs their privilege. So gotrace inside is given the connection to a collector, and starts none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gotrace.host.kernel import may_load
from gotrace.sources.ebpf import launch


@contextmanager
def collector(*, wanted: bool) -> Iterator[dict[str, Any]]:
    """What one `gotrace build` is given of it: `pass_fds` of `subprocess`, and `variables` of its environment.

    Nothing where it is not wanted.

    Raises:
        CaptureError: sudo does not start it.
    """
    if not wanted:
        yield {"pass_fds": (), "variables": {}}
        return
    started = launch.through_sudo()
    try:
        with started.connected() as connection:
            yield {"pass_fds": [connection.fileno()], "variables": {launch.HANDED_OVER: str(connection.fileno())}}
    finally:
        started.close()


def try_sudo() -> None:
    """See whether sudo starts a collector; it may ask for a password, and keeps the answer for a while (sudo(8)).

    Raises:
        CaptureError: it does not.
    """
    with collector(wanted=True):
        pass


def needs_sudo(backend: str) -> bool:
    """Whether this process lacks the privilege that the backend takes."""
    return backend == "ebpf" and not may_load()
