"""Files of a failed program that nobody could look at: what a rule reads in them is unknown then, not absent."""

from __future__ import annotations

from gotrace.rules.base import UndecidedError
from gotrace.rules.loaded_files import files, name_of
from gotrace.trace.model import Trace


def must_be_none(trace: Trace) -> None:
    """Call it when nothing more is found.

    Raises:
        UndecidedError: a program failed, and its files were gone with its root folder, or could not be read.
    """
    refused = [fact for fact in trace.facts_of("probe_failed") if fact.data.get("about") == "binary"]
    if not refused:
        return
    for span in trace.spans:
        if span.failed and span.libraries and files(trace, span).program is None:
            reason = refused[0].data.get("reason")
            raise UndecidedError(f"what the files of {name_of(span.exec.path)} are is not known: {reason}")
