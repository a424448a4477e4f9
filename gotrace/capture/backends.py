"""Records by the backend that was asked for; for "auto" by the best source that really works here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from gotrace.capture import run
from gotrace.errors import CaptureError, IdentityError
from gotrace.sources import choose


def record_by(backend: str, argv: Sequence[str], *, sudo: bool = False, **options: Any) -> run.Recorded:
    """`gotrace.capture.run.record` with the source that `backend` means; `options` are its own.

    Whether the kernel allows a source is known only when it attaches (root of a user namespace has its capabilities in
    name only). Then nothing has run, and "auto" goes on with the next source; but not where the user asked for sudo.

    Raises:
        CommandError: the command cannot be executed.
        CaptureError: no source can follow it here; it has not run.
        UsageError: there is no such backend, or no command.
    """
    return _by(backend, partial(run.record, argv, **options), sudo, {})


def attach_by(backend: str, pid: int, *, sudo: bool = False, **options: Any) -> run.Recorded:
    """`gotrace.capture.attach.attach`, in the same way. The process connector cannot attach, so "auto" passes it over.

    Raises:
        UsageError: there is no such backend, or no such process, or it cannot be attached to.
        CaptureError: no source can attach here; the process runs on.
    """
    from gotrace.capture import attach, targets

    targets.check(pid)  # whatever is wrong with it is so for every source
    refused = {"netlink": "cannot attach to what runs"} if backend == "auto" else {}
    return _by(backend, partial(attach.attach, pid, **options), sudo, refused)


def _by(backend: str, start: Callable[..., run.Recorded], sudo: bool, refused: dict[str, str]) -> run.Recorded:
    while True:
        choice = choose.choose(backend, sudo=sudo, refused=refused)
        try:
            return start(source=choice.source, sudo=sudo, notes=choice.notes)
        except IdentityError:
            raise
        except CaptureError as error:
            if backend != "auto" or sudo:
                raise
            refused[choice.source.name] = error.message
