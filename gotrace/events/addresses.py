"""Socket addresses: from the bytes that a program hands to bind(2), connect(2) and sendto(2) to text, and to strace's.

As text an address is "127.0.0.1:80", "[::1]:80", "[fe80::1%2]:80" (with its interface's number), "unix:/run/x.sock", or
"unix:@name" for a name that is no file (unix(7)). Sources: ip(7), ipv6(7), unix(7); <linux/in6.h>.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Final

from gotrace.events.quotes import quote
from gotrace.events.text import printable

_UNIX, _INET, _INET6 = 1, 2, 10
"""Families of <linux/socket.h>: a recording is read on other systems too."""
_SHORTEST: Final = {_UNIX: 2, _INET: 8, _INET6: 24}
"""Bytes up to the end of what is told of them."""
_SCOPED: Final = 28
_PREFIX: Final = "unix:"
_INTERNET: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-f:.]{2,45})(?:%(?P<scope>\d{1,10}))?\]|(?P<four>[0-9.]{7,15})):(?P<port>\d{1,5})"
)


def socket_address(raw: bytes) -> str:
    """The text of a struct sockaddr; empty for a family that is not told, and for one that is cut."""
    family = int.from_bytes(raw[:2], "little")
    if len(raw) < _SHORTEST.get(family, len(raw) + 1):
        return ""
    if family == _UNIX:
        return _PREFIX + _name(raw[2:])
    (port,) = struct.unpack_from(">H", raw, 2)
    if family == _INET:
        return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])}:{port}"
    scope = int.from_bytes(raw[24:_SCOPED], "little") if len(raw) >= _SCOPED else 0
    return f"[{socket.inet_ntop(socket.AF_INET6, raw[8:24])}{f'%{scope}' if scope else ''}]:{port}"


def _name(raw: bytes) -> str:
    if raw[:1] == b"\0":
        return "@" + printable(raw[1:])
    path = raw.partition(b"\0")[0]
    return printable(b"./" + path if path.startswith(b"@") else path)


def render(address: str) -> str:
    """The structure as strace prints it: `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}`."""
    if address.startswith(_PREFIX):
        name = address.removeprefix(_PREFIX)
        told = f"@{quote(name[1:])}" if name.startswith("@") else quote(name)
        return f"{{sa_family=AF_UNIX{f', sun_path={told}' if name else ''}}}"
    found = _INTERNET.fullmatch(address)
    if found is None:  # a recording may say anything
        return f"{{{quote(address)}}}"
    port = int(found["port"])
    if found["four"]:
        return f'{{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr("{found["four"]}")}}'
    scope = f", sin6_scope_id={int(found['scope'])}" if found["scope"] else ""
    return f'{{sa_family=AF_INET6, sin6_port=htons({port}), sin6_addr="{found["six"]}"{scope}}}'
