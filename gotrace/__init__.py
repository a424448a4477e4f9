"""gotrace says why a cgo build or a Go binary fails: what broke, the evidence, and the fix that works.

    import gotrace

    trace = gotrace.record(["go", "build", "."])
    for finding in gotrace.diagnose(trace).findings:
        print(finding.code, finding.message)

The names below are loaded when they are first used, so that importing gotrace costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; importing typing would cost more than all the rest here

if TYPE_CHECKING:
    from gotrace.api import attach, diagnose, load, record
    from gotrace.rules.finding import Diagnosis, Finding
    from gotrace.trace.model import Trace

    __version__: str

__all__ = ["Diagnosis", "Finding", "Trace", "__version__", "attach", "diagnose", "load", "record"]

_HOMES = {
    "record": ("gotrace.api", "record"),
    "attach": ("gotrace.api", "attach"),
    "load": ("gotrace.api", "load"),
    "diagnose": ("gotrace.api", "diagnose"),
    "Trace": ("gotrace.trace.model", "Trace"),
    "Finding": ("gotrace.rules.finding", "Finding"),
    "Diagnosis": ("gotrace.rules.finding", "Diagnosis"),
    "__version__": ("gotrace.resources", "VERSION"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
