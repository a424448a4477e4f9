"""Look-ups of names that failed, in the words of Go's errors, and which resolver made them.

Go's own resolver names the server that it asked: `lookup db on 127.0.0.1:53: no such host`. The one of the C library
does not. Source: Go's src/net/net.go (DNSError), dnsclient_unix.go, cgo_unix.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gotrace.rules import evidence
from gotrace.rules.evidence import Words
from gotrace.trace.model import Span

_FAILED: Final = re.compile(
    r"\blookup (?P<name>[^\s:]+|\[[^\]]*\])(?: on (?P<server>\[[0-9a-fA-F:.%\w]+\]:\d+|[^\s:]+:\d+))?: (?P<error>.+)"
)
_LOOPBACK: Final = re.compile(r"127\.\d+\.\d+\.\d+:53|\[::1\]:53")
NOT_FOUND: Final = "no such host"


@dataclass(frozen=True, slots=True)
class Lookup:
    """One that failed."""

    name: str
    server: str
    """Address and port of the name server that Go's resolver asked; empty where the error names none."""
    error: str
    words: Words

    @property
    def by_loopback(self) -> bool:
        """The name server was this machine, on the port that Go takes where no resolv.conf says another."""
        return _LOOPBACK.fullmatch(self.server) is not None

    @property
    def found_nothing(self) -> bool:
        """The answer was that there is no such name."""
        return NOT_FOUND in self.error


def lookups(span: Span) -> Iterator[Lookup]:
    """All that this program told of, each name once for each server."""
    seen = set()
    for words in evidence.all_said([span], _FAILED):
        found = words.found
        one = (found["name"].rstrip("."), found["server"] or "")
        if one not in seen:
            seen.add(one)
            yield Lookup(*one, found["error"], words)
