"""Picks the source for this host and says why; finds the decoder for records that were spooled earlier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from gotrace.errors import CaptureError, NotPermittedError, RecordingError, UsageError
from gotrace.host.kernel import may_load
from gotrace.sources.base import Decoder, Source
from gotrace.sources.ebpf.records import RecordDecoder
from gotrace.sources.ebpf.source import EbpfSource

BACKENDS: Final = ("auto", "ebpf")


class Choice(NamedTuple):
    """The source to use, and one line for each other one on why it was not picked."""

    source: Source
    why: list[str]


def choose(backend: str = "auto", *, sudo: bool = False) -> Choice:
    """The best source that works here.

    Raises:
        UsageError: no such backend.
        NotPermittedError: only a privilege is missing.
        CaptureError: this host lacks something else.
    """
    if backend not in BACKENDS:
        raise UsageError(f"no backend named {backend!r}", f"use one of: {', '.join(BACKENDS)}")
    source = EbpfSource()
    lacks = [lack for lack in source.missing(sudo=sudo) if lack.fatal]
    if lacks:
        kind = CaptureError if sudo or may_load() else NotPermittedError
        raise kind("; ".join(f"eBPF cannot be used: {lack.what}" for lack in lacks), lacks[0].remedy)
    return Choice(source, [])


def decoder(info: Mapping[str, Any]) -> Decoder:
    """The decoder that a capture's `decoder_info` describes.

    Raises:
        RecordingError: written by a source that this version does not know, or damaged.
    """
    if info.get("source") != EbpfSource.name:
        raise RecordingError(f"no decoder for records of source {info.get('source')!r}", "read it with a newer gotrace")
    try:
        return RecordDecoder(info)
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise RecordingError(f"the layout of its records is not told, or not understood: {error!r}") from error
