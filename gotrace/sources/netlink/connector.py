"""The kernel's process connector: a netlink socket on which it tells every fork, exec and exit of the machine.

Since Linux 6.6 any user may listen; before that it needs CAP_NET_ADMIN. It is found in the machine's own network
namespace only, and answers only processes of the machine's own PID and user namespaces, in whose numbers it speaks.
Source: drivers/connector/cn_proc.c and Documentation/driver-api/connector.rst of the kernel.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import time
from typing import Final

from gotrace.sources.netlink.messages import Acknowledged, Dialect, Message, Numbered
from gotrace.sources.netlink.missed import Missed

RECEIVE_BYTES: Final = 64 << 20
"""Room for messages that nobody has taken yet, most of a hundred thousand; memory is used only as they come."""

_NETLINK_CONNECTOR: Final = 11
"""<linux/netlink.h>"""
_SO_RCVBUFFORCE: Final = 33
"""<asm-generic/socket.h>: a receive buffer above net.core.rmem_max, with CAP_NET_ADMIN; socket(7)."""
_LARGEST_DATAGRAM: Final = 4096


class Connector:
    """A subscription. Made, it has asked; whether the kernel agreed is what `acknowledged` tells."""

    def __init__(self, receive_bytes: int = RECEIVE_BYTES) -> None:
        """Open the socket and ask for events.

        Raises:
            OSError: EPROTONOSUPPORT without CONFIG_CONNECTOR, EPERM without CAP_NET_ADMIN (before Linux 6.6),
                ECONNREFUSED in a network namespace of one's own.
        """
        self.missed = Missed()
        self._dialect = Dialect()
        self._number = secrets.randbits(31)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_CONNECTOR)
        try:
            _enlarge(self._socket, receive_bytes)
            self._socket.bind((0, self._dialect.group))
            self._socket.send(self._dialect.request(listen=True, number=self._number))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The socket, to poll(2)."""
        return self._socket.fileno()

    def acknowledged(self, timeout_s: float) -> int | None:
        """What the kernel answered: 0 (it tells events) or a positive errno; None where it did not answer in time.

        Events before the answer are passed over.
        """
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while (left_s := deadline - time.monotonic()) > 0:
            poll.poll(left_s * 1000)
            while (numbered := self._next()) is not None:
                answer = numbered.message
                # Every listener gets every answer, so that only the number says that it is ours.
                if isinstance(answer, Acknowledged) and answer.number == self._number + 1:
                    return answer.error
        return None

    def drain(self) -> list[Message]:
        """All messages that are there now."""
        messages = []
        while (numbered := self._next()) is not None:
            if numbered.message is not None:
                messages.append(numbered.message)
        return messages

    def _next(self) -> Numbered | None:
        while True:
            try:
                datagram, (sender, _) = self._socket.recvfrom(_LARGEST_DATAGRAM, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError as error:
                self.missed.told(error)
                continue
            if sender == 0 and (numbered := self._dialect.unpack(datagram)) is not None:  # 0 is the kernel
                self.missed.count(numbered.cpu, numbered.seq)
                return numbered

    def close(self) -> None:
        """Unsubscribe: the kernel goes on making messages for nobody while it believes that somebody listens."""
        with contextlib.suppress(OSError):
            self._socket.send(self._dialect.request(listen=False, number=self._number))
        self._socket.close()


def _enlarge(receiver: socket.socket, size: int) -> None:
    try:
        receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)  # the kernel cuts it to net.core.rmem_max
