"""Picks the source for this host and says why; finds the decoder for records that were spooled earlier."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gotrace.errors import CaptureError, NotPermittedError, RecordingError, UsageError
from gotrace.sources.base import Decoder, Lack, Source

BACKENDS: Final = ("auto", "ebpf", "ptrace", "netlink")
SOURCES: Final = BACKENDS[1:]
"""In the order of preference: the first sees most and costs least, the last sees least."""

TITLES: Final = {"ebpf": "eBPF", "ptrace": "ptrace", "netlink": "the process connector"}
"""What users read."""


class Choice(NamedTuple):
    """The source to use, and for each better one why it was not picked: "eBPF: no CAP_BPF and CAP_PERFMON"."""

    source: Source
    why: list[str]

    @property
    def notes(self) -> tuple[str, ...]:
        """The choice in one sentence, for the recording; nothing where the best source was taken, or the one asked for.

        What the source does not see is not said here: each rule that needs it says so.
        """
        if not self.why:
            return ()
        return (f"watched by {TITLES[self.source.name]}, not {', not '.join(self.why)}",)


def source_named(name: str) -> Source:
    """The source of that name. What it needs is imported here, not before: the others may not even be installed."""
    if name == "ebpf":
        from gotrace.sources.ebpf.source import EbpfSource

        return EbpfSource()
    if name == "ptrace":
        from gotrace.sources.ptrace.source import PtraceSource

        return PtraceSource()
    from gotrace.sources.netlink import NetlinkSource

    return NetlinkSource()


def choose(backend: str = "auto", *, sudo: bool = False, refused: Mapping[str, str] | None = None) -> Choice:
    """The source asked for, or for "auto" the best one that works here.

    `refused`: what sources said that were tried already and did not work, by name; "auto" passes them over.

    Raises:
        UsageError: no such backend, or one that has no use for sudo.
        NotPermittedError: only a privilege is missing.
        CaptureError: this host lacks something else.
    """
    if backend not in BACKENDS:
        raise UsageError(f"no backend named {backend!r}", f"use one of: {', '.join(BACKENDS)}")
    if sudo and backend not in ("auto", "ebpf"):
        raise UsageError(
            f"--sudo does not go with --backend {backend}: it starts the privileged part of eBPF, and only that",
            "leave one of the two out",
        )
    if backend != "auto":
        return Choice(_usable(backend, sudo=sudo), [])
    return _best(sudo=sudo, refused=refused or {})


def _usable(name: str, *, sudo: bool) -> Source:
    source = source_named(name)
    lacks = fatal_lacks(source, sudo=sudo)
    if lacks:
        whats, remedies = _in_words(lacks)
        raise _error(lacks)(f"{TITLES[name]} cannot be used: {whats}", remedies)
    return source


def _best(*, sudo: bool, refused: Mapping[str, str]) -> Choice:
    why: list[str] = []
    remedies: list[str] = []
    lacking: list[Lack] = []
    for name in SOURCES:
        if name in refused:
            why.append(f"{TITLES[name]}: {refused[name]}")
            continue
        source = source_named(name)
        lacks = fatal_lacks(source, sudo=sudo)
        if not lacks:
            return Choice(source, why)
        whats, remedy = _in_words(lacks)
        hint = " (try --sudo)" if not sudo and sudo_would_do(source) else ""
        why.append(f"{TITLES[name]}: {whats}{hint}")
        remedies.append(f"for {TITLES[name]}: {remedy}")
        lacking += lacks
    raise _error(lacking)(f"nothing can watch a command here; {'; '.join(why)}", "; ".join(remedies))


def fatal_lacks(source: Source, *, sudo: bool = False) -> list[Lack]:
    """What keeps a source from being used at all."""
    return [lack for lack in source.missing(sudo=sudo) if lack.fatal]


def sudo_would_do(source: Source) -> bool:
    """Whether sudo(8) is there and could give all that the source lacks. Whether it lets us is not tried: it asks."""
    could = source.name == "ebpf" and os.geteuid() != 0 and shutil.which("sudo") is not None
    return could and not fatal_lacks(source, sudo=True)


def _in_words(lacks: list[Lack]) -> tuple[str, str]:
    """What is lacking, and all that is to be done about it."""
    return ", ".join(lack.what for lack in lacks), "; ".join(dict.fromkeys(lack.remedy for lack in lacks))


def _error(lacks: list[Lack]) -> type[CaptureError]:
    return NotPermittedError if lacks and all(lack.privilege for lack in lacks) else CaptureError


def decoder(info: Mapping[str, Any]) -> Decoder:
    """The decoder that a capture's `decoder_info` describes.

    Raises:
        RecordingError: written by a source that this version does not know, or damaged.
    """
    try:
        return _decoder(info)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise RecordingError(f"the layout of its records is not told, or not understood: {error!r}") from error


def _decoder(info: Mapping[str, Any]) -> Decoder:
    match info.get("source"):
        case "ebpf":
            from gotrace.sources.ebpf import records

            return records.RecordDecoder(info)
        case "ptrace":
            from gotrace.sources.ptrace import records as of_ptrace

            return of_ptrace.RecordDecoder(info)
        case "netlink":
            from gotrace.sources.netlink import NetlinkDecoder

            return NetlinkDecoder(info)
        case unknown:
            raise RecordingError(f"no decoder for records of source {unknown!r}", "read it with a newer gotrace")
