"""What C compilers say of names that no header declared, in any language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gotrace.events.tools import Role
from gotrace.rules import evidence, steps
from gotrace.rules.evidence import Words
from gotrace.rules.linking import QUOTED
from gotrace.trace.model import Span, Trace

_AT_A_PLACE = rf"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+)\s?[:：] (?P<words>[^\n]*?){QUOTED}(?P<rest>.*)"
_COMPLAINT = re.compile(_AT_A_PLACE)


def complaints(trace: Trace) -> Iterator[tuple[Span, Words]]:
    """The lines `FILE:LINE:COLUMN: ...'name'...` of each C compile that broke a build, or of the cgo that ran it."""
    for span in steps.broken(trace, Role.CC, Role.CC1, Role.CGO):
        for words in evidence.all_said([span], _COMPLAINT):
            yield span, words


def place(words: Words) -> str:
    """Where it stands: FILE:LINE."""
    return f"{words.found['file']}:{words.found['line']}"


def keys(span: Span) -> frozenset[str]:
    """What a finding about such a compile explains."""
    package = steps.package(span)
    own = {steps.span_key(span)} if span.role is Role.CGO else steps.driver_keys(span)
    return frozenset(own | ({f"package:{package}"} if package else set()))
