"""Loads gotrace's code while root may still read it: Python may lie in a folder (/root/...) closed to other users."""

from __future__ import annotations

import os
import pkgutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from gotrace.errors import GotraceError

_LAZY = (
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "concurrent.futures.thread",
    "elftools.elf.elffile",  # by gotrace.elf, when it meets the first ELF file
)
"""What is imported when it is first needed."""
_NEEDED = ("gotrace", "elftools", "msgspec", "ptrace", "pyroute2", "rich", "typer", "zstandard")
"""Packages that may lie elsewhere than Python's own library."""


def readable() -> bool:
    """Whether we may read Python's own library, gotrace and what it depends on."""
    specs = (find_spec(name) for name in _NEEDED)
    files = [os.__file__, *(spec.origin for spec in specs if spec is not None and spec.origin)]
    return all(os.access(file, os.R_OK, effective_ids=True) for file in files)


def load_all() -> None:
    """Import all of gotrace, read its data, and use what imports more at its first use.

    Raises:
        GotraceError: something cannot be loaded, so nothing should be run that needs it afterwards.
    """
    try:
        _load_modules()
        _read_data()
        _use_reports()
    except (ImportError, OSError) as error:
        raise GotraceError(
            f"cannot load all of gotrace ahead: {error}",
            "install gotrace, and its Python, where the user of the command can read them",
        ) from error


def _load_modules() -> None:
    import gotrace

    for name in _LAZY:
        import_module(name)
    for module in pkgutil.walk_packages(gotrace.__path__, "gotrace."):
        # Neither __main__ nor what is no module of Python (a library of C).
        if not module.name.rpartition(".")[2].startswith("_"):
            import_module(module.name)


def _read_data() -> None:
    """Tables are kept once they are read; so is what Python needs to read files of a package."""
    from gotrace.elf.interpreter import read_interpreter
    from gotrace.rules import packages, targets
    from gotrace.sources import syscalls

    packages.provenance()
    targets.fits("x86_64-linux-gnu", targets.Platform("linux", "amd64"))
    syscalls.names()
    read_interpreter(Path(sys.executable))


def _use_reports() -> None:
    from gotrace.events.recording import Header
    from gotrace.reports.json_report import JsonReport
    from gotrace.reports.terminal import TerminalReport
    from gotrace.rules.finding import Diagnosis, Finding, Severity
    from gotrace.trace.model import Trace

    nothing = Trace(Header())
    # What is not ASCII has a width that rich looks up in a table of its own.
    finding = Finding("GT000", "none", Severity.NOTE, "… é", None, [], [])
    for diagnosis in (Diagnosis(), Diagnosis([finding])):
        TerminalReport(colour=True).render(nothing, diagnosis)
        JsonReport().render(nothing, diagnosis)
