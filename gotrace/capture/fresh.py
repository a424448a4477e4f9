"""A build cache of one run's own: empty at its start, so that every package is compiled, and gone afterwards.

It is a folder of mode 0700 in $TMPDIR (else /tmp), given to the command as GOCACHE (go help cache). Whoever sends us
SIGINT, SIGTERM or SIGHUP has it removed as well; only SIGKILL leaves it.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import NoReturn

from gotrace.capture.masks import mask_text
from gotrace.errors import UsageError
from gotrace.events.model import Fact, KnownEvent
from gotrace.events.text import printable

FACT = "fresh_cache"
_PREFIX = "gotrace-fresh-"
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_DISTURBING = (signal.SIGINT, *_ENDING)

Rights = Callable[[], AbstractContextManager[None]]
"""Makes us the owner of the folder for a while; see `gotrace.cli.outputs.acting_as`."""


@contextmanager
def fresh_cache(rights: Rights = nullcontext) -> Iterator[Path]:
    """An empty, private folder that is removed at the end, whatever the end is.

    Meanwhile SIGTERM and SIGHUP end us by SystemExit, unless they are ignored or handled already.

    Raises:
        UsageError: the temporary folder does not take it.
    """
    with _ended_in_order(), ExitStack() as stack:
        with _undisturbed():
            folder = _made(rights)
            stack.callback(_remove, folder, rights)
        yield folder


def with_cache(env: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment `env` in which go has no other build cache than `folder`."""
    # GOCACHEPROG names a program that keeps the cache; with it go does not look at GOCACHE.
    return {name: value for name, value in env.items() if name != "GOCACHEPROG"} | {"GOCACHE": str(folder)}


def note(events: list[KnownEvent], folder: Path) -> None:
    """Append the fact `fresh_cache` to the events of a capture: readers must not take the folder for the user's own."""
    last, subject = events[-1], mask_text(printable(os.fsencode(folder)))
    events.append(Fact(ts_ns=last.ts_ns, seq=len(events), pid=last.pid, name=FACT, subject=subject))


def _made(rights: Rights) -> Path:
    above = os.environ.get("TMPDIR") or "/tmp"
    try:
        with rights():
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=os.path.abspath(above)))  # noqa: PTH100  go wants it so
    except OSError as error:
        message = f"--fresh: no folder can be made in {above}: {os.strerror(error.errno or 0)}"
        raise UsageError(message, "set TMPDIR to a folder that you may write") from None


def _remove(folder: Path, rights: Rights) -> None:
    with _undisturbed(), rights():
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A signal that comes meanwhile takes effect afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DISTURBING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Have signals that would end us at once raise SystemExit instead; in the main thread, where Python allows it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [one for one in _ENDING if signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, _end)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
