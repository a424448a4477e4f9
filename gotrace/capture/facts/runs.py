"""Facts of a program's run: what its files are, and where those lie that it did not find; each in its own root."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gotrace.capture.facts.asker import NoAnswerError
from gotrace.capture.facts.binaries import binary_facts
from gotrace.capture.facts.clock_sources import clock_source_facts
from gotrace.capture.facts.found import Found, real, unanswered
from gotrace.capture.facts.inside import ask_inside
from gotrace.capture.facts.instructions import instruction_facts
from gotrace.capture.facts.kernel_calls import kernel_call_facts
from gotrace.capture.facts.permissions import permission_facts
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.security_modules import security_module_facts
from gotrace.capture.facts.shared_objects import shared_object_facts
from gotrace.capture.facts.system_files import name_lookup_facts, system_file_facts
from gotrace.capture.facts.undefined import undefined_symbol_facts
from gotrace.capture.facts.unrelocated import unrelocated_facts
from gotrace.capture.roots import OURS, Namespaces
from gotrace.events.model import KnownEvent

_GATHERERS: tuple[Callable[[Processes, Sequence[KnownEvent]], list[Found]], ...] = (
    binary_facts,
    shared_object_facts,
    undefined_symbol_facts,
    unrelocated_facts,
    system_file_facts,
    permission_facts,
)
"""Each looks at files only, and at nothing of what ended well."""


def facts_of_run(
    processes: Processes, events: Sequence[KnownEvent], namespaces: Namespaces, seconds: float
) -> list[Found]:
    """What the files say of what failed, each root's own files of its programs. Call it before there are threads."""
    found = [*kernel_call_facts(processes, events), *instruction_facts(events), *clock_source_facts(events)]
    found += security_module_facts(processes, events)
    for root in (OURS, *processes.other_roots(of_all=True)):
        here = processes.within(root)

        def look(here: Processes = here) -> list[Found]:
            return [fact for gather in _GATHERERS for fact in gather(here, events)]

        try:
            found += look() if root.is_ours else ask_inside(root, namespaces, look, seconds)
            found += name_lookup_facts(here) if root.is_ours else ()
        except (NoAnswerError, OSError) as error:
            reason = NoAnswerError(f"the program ran in {root.kind}: {error}")
            found.append(unanswered("binary", [real(root.folder)] if root.folder else [], reason))
    return found
