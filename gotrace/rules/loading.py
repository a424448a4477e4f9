"""What the loader did for a program: the files it brought in, who needs what, and what it did not find or take."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gotrace.events.errno import errno_name
from gotrace.events.model import Event, Fact, SyscallError
from gotrace.rules import evidence, run_paths
from gotrace.rules.loaded_files import Files, absolute, binary, files, flavour, name_of, words
from gotrace.trace.crash import crash_of
from gotrace.trace.dynamic import Opening, openings
from gotrace.trace.model import Span, Trace

LOADER_STATUS: Final = 127
"""What the loaders of glibc and of musl exit with."""
_SAYS: Final = re.compile(
    r"error while loading shared libraries: (?P<name>[^\s:]+): "
    r"|Error loading shared library (?P<musl_name>[^\s:]+): "
)
"""glibc's words, and musl's."""
_SOON_NS: Final = 30 * 10**9
_REFUSED: Final = frozenset({"EACCES", "EPERM"})
_KEPT_LOOKING: Final = frozenset({"ENOENT", "ENOTDIR"}) | _REFUSED


@dataclass(frozen=True, slots=True)
class Missing:
    """A library that did not come in, and because of which the loader, or a dlopen, gave up."""

    name: str
    span: Span
    wanted_by: Fact | None
    """The `binary` of the file that needs it (DT_NEEDED); None: dlopen was asked for it, or nobody knows."""
    opening: Opening | None
    """The dlopen that failed by it; None: the program did not start."""
    tried: tuple[SyscallError, ...]
    """Candidates that were not there, or were refused, in the order of the search."""
    fact: Fact | None
    """The `shared_object` of that name: where it lies."""

    @property
    def found(self) -> list[Mapping[str, Any]]:
        """Files of that name: path, machine, bits, and whether the loader looked there (`searched`)."""
        listed = self.fact.data.get("found", ()) if self.fact is not None else ()
        return [one for one in listed if isinstance(one, dict)]


def stopped_by_loader(trace: Trace, span: Span) -> bool:
    """It ended with the loader's exit status, by itself, and brought in nothing but files before."""
    return (
        span.exit is not None
        and span.exit.status == LOADER_STATUS
        and bool(span.libraries)
        and crash_of(trace, span) is None
    )


def refused_openings(trace: Trace, span: Span) -> Iterator[Opening]:
    """The dlopen calls because of which a program gave up: the last ones, after which none succeeded."""
    if span.exit is None or not span.exit.status or crash_of(trace, span) is not None:
        return
    found = openings(span)
    last_good = max((number for number, one in enumerate(found) if not one.failed), default=-1)
    yield from (one for one in found[last_good + 1 :] if one.call.filename and _minded(span, one))


def _minded(span: Span, opening: Opening) -> bool:
    """The program asked why, or told of it, and ended soon: one that does without the library does not."""
    if span.exit is not None and span.exit.ts_ns - opening.call.ts_ns > _SOON_NS:
        return False
    asked = opening.error is not None or opening.asked_elsewhere is not None
    return asked or name_of(opening.call.filename or "") in span.stderr


def missing(trace: Trace, span: Span) -> list[Missing]:
    """The libraries by whose absence a program ended: its own, and those that a dlopen was refused for."""
    return trace.once(f"missing:{span.process.pid}:{span.start_ns}", lambda: list(_missing(trace, span)))


def _missing(trace: Trace, span: Span) -> Iterator[Missing]:
    if stopped_by_loader(trace, span):
        yield from _of_the_start(trace, span)
    for opening in refused_openings(trace, span):
        found = _of_opening(trace, span, opening)
        if found is not None:
            yield found


def _of_the_start(trace: Trace, span: Span) -> Iterator[Missing]:
    """The first needed library that did not come in: glibc's loader stops there, musl's tells of all."""
    found = list(_by_files(trace, span)) or list(_by_words(trace, span))
    yield from found


def _by_words(trace: Trace, span: Span) -> Iterator[Missing]:
    """As the loader said it, where the files could not be looked at: another root that was gone too soon."""
    words_of_it = evidence.said(span, _SAYS)
    if words_of_it is not None:
        name = name_of(words_of_it.found["name"] or words_of_it.found["musl_name"])
        searched = _candidates(span.failing(name))
        yield Missing(name, span, None, None, searched, _shared_object(trace, span, name))


def _by_files(trace: Trace, span: Span) -> Iterator[Missing]:
    known = files(trace, span)
    goes_on, told = flavour(known.libc, "is") == "musl", set[str]()
    here = {name_of(path) for path in known.mapped} | {str(fact.data.get("soname")) for fact in known.mapped.values()}
    for fact in known.mapped.values():
        for needed in words(fact, "needed"):
            name = name_of(needed)
            searched = _candidates(span.failing(name))
            place = _shared_object(trace, span, name)
            if name in here or name in told or not (searched or (place is not None and place.data.get("found"))):
                continue
            if _came_in(known, place):
                continue  # under another name
            told.add(name)
            yield Missing(name, span, fact, None, searched, place)
            if not goes_on:
                return


def _candidates(calls: Iterable[SyscallError]) -> tuple[SyscallError, ...]:
    """Each file that was looked at once, however often the program tried again."""
    found: dict[tuple[str, int], SyscallError] = {}
    for call in calls:
        if call.paths and errno_name(call.errno) in _KEPT_LOOKING:
            found.setdefault((call.paths[0], call.errno), call)
    return tuple(found.values())


def _came_in(known: Files, place: Fact | None) -> bool:
    """A file of that name was mapped: a symbolic link led to it."""
    found = place.data.get("found", ()) if place is not None else ()
    return any(one.get("real", one.get("path")) in known.mapped for one in found if isinstance(one, dict))


def _of_opening(trace: Trace, span: Span, opening: Opening) -> Missing | None:
    """What dlopen was asked for and did not find, or what that needs."""
    filename = opening.call.filename or ""
    name = name_of(filename)
    known = files(trace, span)
    tried = _candidates(opening.tried)
    here = {name_of(path) for path in known.mapped} | {str(fact.data.get("soname")) for fact in known.mapped.values()}
    for fact in brought_in(trace, span, opening):
        for needed in words(fact, "needed"):
            searched = tuple(call for call in tried if name_of(call.paths[0]) == name_of(needed))
            place = _shared_object(trace, span, needed)
            if name_of(needed) not in here and searched and not _came_in(known, place):
                return Missing(name_of(needed), span, fact, opening, searched, place)
    own = tuple(call for call in tried if name_of(call.paths[0]) == name)
    place = _shared_object(trace, span, name)
    if _came_in(known, place) or (name in here and not own):
        return None
    return Missing(name, span, None, opening, own, place) if own or place is not None else None


def brought_in(trace: Trace, span: Span, opening: Opening) -> list[Fact]:
    """The files that a dlopen read before it was refused; a source may not have seen what was gone so soon."""
    known, filename = files(trace, span), opening.call.filename or ""
    came = (one.path for one in span.libraries if opening.call.began_ns <= one.ts_ns <= opening.call.ts_ns)
    found = [known.mapped[path] for path in dict.fromkeys(came) if path in known.mapped]
    asked = binary(trace, span.process, absolute(span, filename)) if "/" in filename else None
    return found if found or asked is None else [asked]


def _shared_object(trace: Trace, span: Span, name: str) -> Fact | None:
    facts = (fact for fact in trace.facts_of("shared_object") if fact.pid == span.process.pid)
    return next((fact for fact in facts if fact.subject == name_of(name)), None)


def fits(trace: Trace, missing: Missing, file: Mapping[str, Any]) -> bool:
    """Whether a file of that name is for the machine of the program."""
    program = files(trace, missing.span).program
    kind = (program.data.get("machine"), program.data.get("bits")) if program is not None else (None, None)
    return (file.get("machine"), file.get("bits")) == kind or (program is None and file.get("machine") is not None)


def caller(trace: Trace, missing: Missing) -> Fact | None:
    """The file whose code called the dlopen."""
    frame = missing.opening.call.caller if missing.opening is not None else None
    return files(trace, missing.span).mapped.get(frame.module) if frame is not None else None


def lay_on_the_way(trace: Trace, missing: Missing) -> Iterator[Mapping[str, Any]]:
    """Files of that name in folders in which the loader did look: it did not take them."""
    span = missing.span
    asker = missing.wanted_by or caller(trace, missing) or files(trace, span).program
    folders = {one.folder for one in run_paths.entries(asker, span.exec.cwd or "/")} if asker is not None else set()
    absent = {absolute(span, call.paths[0]) for call in missing.tried if not is_refusal(call)}
    refused = {absolute(span, call.paths[0]) for call in missing.tried if is_refusal(call)}
    for file in missing.found:
        path = str(file.get("path"))
        looked = file.get("searched") or posixpath.dirname(path) in folders
        if looked and path not in absent and path not in refused:
            yield file


def is_refusal(call: SyscallError) -> bool:
    """The candidate is there and may not be read."""
    return errno_name(call.errno) in _REFUSED


def words_of(missing: Missing) -> Event | None:
    """What the loader said of a program that did not start."""
    return None if missing.opening is not None else evidence.quoted(evidence.said(missing.span, _SAYS))


def evidence_of(opening: Opening | None) -> list[Event | None]:
    """The events of a refused dlopen."""
    return [] if opening is None else [opening.call, opening.error]
