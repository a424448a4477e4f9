"""Lines in which a tool says why a call failed, in the language that it speaks."""

from __future__ import annotations

import re

from gotrace.rules import evidence
from gotrace.rules.evidence import Words
from gotrace.trace.model import Span, Trace


def said(trace: Trace, span: Span, *names: str) -> Words | None:
    """The first line of this tool that ends with the C library's text for one of these errnos; group `path`: its file.

    The capture asked the C library for the texts in the tool's language (fact `errno_texts`); nothing is found in
    English, which rules know themselves.
    """
    texts = {str(fact.data[name]) for fact in trace.facts_of("errno_texts") for name in names if fact.data.get(name)}
    if not texts:
        return None
    any_of_them = "|".join(map(re.escape, sorted(texts)))
    return evidence.said(span, re.compile(rf"(?:(?P<path>/[^\s:：]+)\s?[:：]\s?)?(?:{any_of_them})$"))
