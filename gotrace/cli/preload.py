"""Loads gotrace's code while root may still read it: Python may lie in a folder (/root/...) closed to other users."""

from __future__ import annotations

import os
import pkgutil
from importlib import import_module

_LAZY = ("encodings.ascii", "encodings.idna", "encodings.latin_1", "concurrent.futures.thread")
"""What the standard library imports when it is first needed."""


def readable() -> bool:
    """Whether we may read Python's own library."""
    return os.access(os.__file__, os.R_OK, effective_ids=True)


def load_all() -> None:
    """Import all of gotrace, and use what imports more at its first use."""
    import gotrace
    from gotrace.events.recording import Header
    from gotrace.reports.json_report import JsonReport
    from gotrace.reports.terminal import TerminalReport
    from gotrace.rules.finding import Diagnosis
    from gotrace.trace.model import Trace

    for name in _LAZY:
        import_module(name)
    for module in pkgutil.walk_packages(gotrace.__path__, "gotrace."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    nothing = Trace(Header())
    TerminalReport(colour=True).render(nothing, Diagnosis())
    JsonReport().render(nothing, Diagnosis())
