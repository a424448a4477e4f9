"""Runs a program under the eBPF source as `gotrace run` follows it: libraries, dl calls and signals as well."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from gotrace.sources.base import Target
from gotrace.sources.ebpf.source import EbpfCapture, EbpfSource
from tests.integration.observing import Observed, observe


class Kept(EbpfSource):
    """The source, which keeps the captures it opened."""

    def __init__(self) -> None:
        super().__init__()
        self.captures: list[EbpfCapture] = []

    def open(self, target: Target, *, sudo: bool = False) -> EbpfCapture:
        self.captures.append(super().open(target, sudo=sudo))
        return self.captures[-1]


def follow(
    argv: Sequence[str], *, env: dict[str, str] | None = None, source: EbpfSource | None = None, stops: bool = True
) -> Observed:
    """Run `argv` (argv[0] is a path) to its end."""
    target = Target(secrets.randbits(63), running=True, program=argv[0], stops=stops)
    return observe(argv, env=env, source=source or EbpfSource(), target=target)
