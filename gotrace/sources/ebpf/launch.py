"""Starts the collector: by fork(2) where this process has the privilege itself, else through sudo(8)."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SO_PEERCRED, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair
from typing import Final

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.sources.ebpf.collector import detached

_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[3]
_SOCKET: Final = "collector"
_LONGEST_SOCKET_PATH: Final = 107
HANDED_OVER: Final = "GOTRACE_COLLECTOR"
"""Variable with the descriptor of a connection to a collector that whoever started us has started through sudo."""
_BOOT: Final = "import sys; sys.path.insert(0, {parent!r}); from gotrace.sources.ebpf.collector import main; main()"


@dataclass
class Collector:
    """A collector that has been started, and how to reach it."""

    channel: socket
    """Connected already, or listening for the one that sudo starts."""
    sudo: subprocess.Popen[bytes] | None = None
    folder: Path | None = None

    def connected(self) -> socket:
        """The connection to it. Waits for sudo (and a password) as long as sudo itself does.

        Raises:
            NotPermittedError: sudo refused, or somebody else connected.
        """
        if self.sudo is None:
            return self.channel
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        while not poll.poll(50):
            # The collector connects before sudo ends: what is not there by then will not come.
            if self.sudo.poll() is not None and not poll.poll(0):
                raise NotPermittedError(
                    f"sudo did not start the collector (it exited with {self.sudo.returncode})",
                    "run `sudo -v` first, or run gotrace as root",
                )
        connection, _ = self.channel.accept()
        self.sudo.wait()
        _, uid, _ = struct.unpack("iII", connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
        if uid != 0:
            raise NotPermittedError("the process that answered as collector does not run as root")
        return connection

    def close(self) -> None:
        """Let go of it; it ends by itself."""
        self.channel.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def forked() -> Collector:
    """In a child of this (privileged) process."""
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    detached(theirs)
    theirs.close()
    return Collector(ours)


def through_sudo() -> Collector:
    """By sudo, which may ask for a password on the terminal.

    Descriptors do not survive sudo, so the collector connects to a socket in a folder that only we can enter.

    Raises:
        NotPermittedError: there is no sudo.
        CaptureError: no folder can be made for the socket.
    """
    sudo = shutil.which("sudo")
    if sudo is None:
        raise NotPermittedError("sudo is not installed", "run gotrace as root")
    listener, folder = _listening()
    # -I: nothing of the user's environment or working directory decides what root imports; -B: no files of root there.
    program = [sys.executable, "-I", "-B", "-c", _BOOT.format(parent=str(_PACKAGE_PARENT)), str(folder / _SOCKET)]
    process = subprocess.Popen([sudo, "--", *program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return Collector(listener, process, folder)


def handed_over() -> Collector | None:
    """The one that whoever started us gave us, once: neither the variable nor the descriptor reaches the command.

    Raises:
        CaptureError: what was handed over is no connection.
    """
    descriptor = os.environ.pop(HANDED_OVER, None)
    if descriptor is None:
        return None
    try:
        os.set_inheritable(int(descriptor), False)
        connection = socket(fileno=int(descriptor))
        if (connection.family, connection.type) == (AF_UNIX, SOCK_SEQPACKET):
            return Collector(connection)
        connection.detach()
    except (OSError, ValueError, OverflowError):
        pass
    raise CaptureError(f"{HANDED_OVER}={descriptor}: no connection to a collector", f"unset {HANDED_OVER}")


def _listening() -> tuple[socket, Path]:
    """A socket that listens in a new folder of ours. A path of more than 107 bytes does not fit (unix(7))."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="gotrace-"))
        if len(os.fsencode(folder / _SOCKET)) > _LONGEST_SOCKET_PATH:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="gotrace-", dir="/tmp"))
        listener = socket(AF_UNIX, SOCK_SEQPACKET)
        listener.bind(os.fsencode(folder / _SOCKET))
        listener.listen(1)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise CaptureError(
            f"no socket for the collector can be made: {error}", "set TMPDIR to a folder of yours"
        ) from None
    return listener, folder
