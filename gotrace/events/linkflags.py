"""What Go's linker (cmd/link) is told about the external linker, read from its arguments."""

from __future__ import annotations

from collections.abc import Sequence

from gotrace.events.quoted import split_quoted

_STATIC = frozenset({"-static", "--static", "-static-pie"})


def external_flags(argv: Sequence[str]) -> list[str]:
    """The words of -extldflags; the last one counts, as for Go's flag package."""
    value = ""
    for word, following in zip(argv, (*argv[1:], ""), strict=False):
        name, equals, joined = word.partition("=")
        if name in ("-extldflags", "--extldflags"):
            value = joined if equals else following
    return split_quoted(value)


def asks_for_static(argv: Sequence[str]) -> bool:
    """-extldflags tells the external linker to link statically."""
    return not _STATIC.isdisjoint(external_flags(argv))
