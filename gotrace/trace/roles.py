"""Roles that only the whole trace tells: a C compiler by any name.

`CC=my-wrapper.sh` has no name that a table could know, but the go command says in its children's environment what
it takes for its compiler, and cgo runs nothing else.
"""

from __future__ import annotations

import posixpath

from gotrace.events.quoted import split_quoted
from gotrace.events.tools import Role
from gotrace.trace.argv import names_of
from gotrace.trace.model import Span, Trace

_RUN_COMPILERS = frozenset({Role.GO, Role.CGO, Role.LINK})


def refine(trace: Trace) -> None:
    """Give role CC to what go, cgo and link ran as their compiler though its name does not say so."""
    for span in trace.spans:
        parent = span.parent
        if span.role is not Role.OTHER or parent is None or parent.role not in _RUN_COMPILERS:
            continue
        if parent.role is Role.CGO or not _compiler_names(span).isdisjoint(names_of(span.exec)):
            span.role = Role.CC


def _compiler_names(span: Span) -> set[str]:
    env = span.exec.env or {}
    values = (split_quoted(env.get(name, "")) for name in ("CC", "CXX", "FC"))
    return {posixpath.basename(words[0]) for words in values if words}
