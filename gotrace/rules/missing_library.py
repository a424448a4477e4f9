"""GT202: a library that the linker found nowhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gotrace.events.errno import errno_name
from gotrace.events.facets import Facet
from gotrace.events.model import Event, SyscallError
from gotrace.events.tools import Role
from gotrace.rules import evidence, fixes, packages, steps, targets
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.trace.model import Span, Trace

_OPENING = frozenset({"open", "openat", "openat2"})
_WRONG_FORMAT = re.compile(r"(?P<path>/?[^\s:]+\.(?:so|a|o)[.\d]*): .*(?:wrong format|not recognized|incompatible)")


@dataclass(frozen=True, slots=True)
class _Missing:
    """A library that one link lacks."""

    name: str
    """As in -lNAME; for one that was given by its path, that path."""
    linker: Span
    calls: tuple[SyscallError, ...]
    words: evidence.Words | None
    incompatible: tuple[evidence.Words, ...] = ()
    """Lines about files of that name for another machine, which the linker left out."""

    @property
    def static(self) -> bool:
        """Only libNAME.a will do."""
        return not any(call.paths[0].endswith(".so") for call in self.calls) and bool(self.calls)


class MissingLibrary(Rule):
    """A library that the link needs is in none of the folders that the linker searched.

    What it detects
    ---------------
    A link failed; ld's failing opens show libNAME.so and libNAME.a in folder after folder, and it names -lNAME
    itself. Also libraries of that name that are there for another machine, which ld leaves out (`skipping
    incompatible`) or, given by their path, refuses (`file in wrong format`).

    Why it happens
    --------------
    -lNAME needs libNAME.so or libNAME.a. What programs need at run time is libNAME.so.1, in another package: it is
    installed far more often, and it does not help the linker. A static link (-static) takes libNAME.a alone, which
    many packages leave out. In a cross build the library must be one for the target.

    How to fix it
    -------------
    Install the development package: `apt-get install libsqlite3-dev` for -lsqlite3. Without one, a link libNAME.so to
    the run-time library beside it is enough. For a library in a folder of its own: `#cgo LDFLAGS: -L/folder`, and
    then -Wl,-rpath,/folder or LD_LIBRARY_PATH to run the program.

    References
    ----------
    - https://sourceware.org/binutils/docs/ld/Options.html (-l, -L)
    - https://pkg.go.dev/cmd/cgo (#cgo LDFLAGS)
    - https://wiki.debian.org/Multiarch/HOWTO
    """

    code = "GT202"
    name = "missing-library"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})
    consequence_of = ("wrong-target-compiler",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library, however many programs are linked with it."""
        seen: dict[tuple[int, str], Finding] = {}
        for span in steps.broken(trace, Role.LD):
            for missing in _missing(span):
                keys = steps.driver_keys(span) | {f"library:{missing.name}"}
                place = (id(span.build), missing.name)
                if place in seen:
                    seen[place].explains |= keys
                else:
                    seen[place] = self._finding(trace, missing, keys)
        yield from seen.values()

    def _finding(self, trace: Trace, missing: _Missing, keys: frozenset[str]) -> Finding:
        package = steps.package(missing.linker)
        in_package = f" (package {package})" if package else ""
        fact = next((f for f in trace.facts_of("library") if f.subject == missing.name), None)
        last = missing.words.event if missing.words is not None else missing.linker.exit
        before = [call for call in missing.calls if last is None or call.ts_ns <= last.ts_ns]
        events: list[Event | None] = [
            *evidence.sample(before or missing.calls),
            *(evidence.quoted(words) for words in missing.incompatible[:1]),
            evidence.quoted(missing.words),
            missing.linker.exit,
        ]
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_what_is_wrong(trace, missing)}{in_package}.",
            span=missing.linker,
            evidence=evidence.of(*events[: evidence.MOST - 1], fact),
            fix=_fixes(trace, missing),
            confidence=1.0 if missing.words is not None and missing.calls else 0.8,
            explains=keys,
        )


def _missing(span: Span) -> Iterator[_Missing]:
    """The libraries that a failed ld did not find, or found for another machine only."""
    names = dict.fromkeys(word[2:] for word in _arguments(span) if word.startswith("-l") and len(word) > 2)
    for name in names:
        calls = tuple(call for call in span.errors if _opens(call, name))
        lines = list(evidence.all_said([span], re.compile(rf"(?<!\S)[`'\"‘]?-l{re.escape(name)}(?![\w.+-])")))
        left_out = tuple(w for w in lines if re.search(r"/lib[^/\s]+\.(so|a)\b", w.line))
        words = next((w for w in lines if w not in left_out), None)
        if words is not None and (calls or left_out):
            yield _Missing(name, span, calls, words, left_out)
        elif not span.output and calls and _everywhere(span, name, calls):
            yield _Missing(name, span, calls, None)
    for words in evidence.all_said([span], _WRONG_FORMAT):
        path = words.found["path"]
        if path in _arguments(span) and not path.startswith("/tmp/go-"):
            yield _Missing(path, span, (), words, (words,))
            return


def _arguments(span: Span) -> list[str]:
    """Its arguments, with `-l NAME` in one word."""
    words: list[str] = []
    for word in span.argv[1:]:
        if words and words[-1] == "-l":
            words[-1] = f"-l{word}"
        else:
            words.append(word)
    return words


def _opens(call: SyscallError, name: str) -> bool:
    if call.syscall not in _OPENING or not call.paths or errno_name(call.errno) not in {"ENOENT", "ENOTDIR"}:
        return False
    wanted = {name[1:]} if name.startswith(":") else {f"lib{name}.so", f"lib{name}.a"}
    return posixpath.basename(call.paths[0]) in wanted


def _everywhere(span: Span, name: str, calls: tuple[SyscallError, ...]) -> bool:
    """Without the linker's words: every -L folder was searched for the archive, which is asked for last."""
    asked = {posixpath.normpath(call.paths[0]) for call in calls}
    folders = [word[2:] for word in _arguments(span) if word.startswith("-L") and len(word) > 2]
    last = name[1:] if name.startswith(":") else f"lib{name}.a"
    return bool(folders) and all(posixpath.normpath(posixpath.join(folder, last)) in asked for folder in folders)


def _found(trace: Trace, missing: _Missing, *kinds: str) -> list[Mapping[str, Any]]:
    fact = trace.fact("library", missing.name) or {}
    return [one for one in fact.get("found") or [] if not kinds or one.get("kind") in kinds]


def _what_is_wrong(trace: Trace, missing: _Missing) -> str:
    if not missing.calls and missing.name.startswith("/"):
        return f"The library {missing.name} is for another machine than this link"
    count = len({posixpath.dirname(posixpath.normpath(call.paths[0])) for call in missing.calls})
    files = f"lib{missing.name}.a" if missing.static else f"lib{missing.name}.so or lib{missing.name}.a"
    searched = (
        f"none of the {count} folders that the linker searched holds {files}" if count > 1 else f"{files} is nowhere"
    )
    if missing.incompatible:
        found = re.search(r"(\S*/lib[^/\s]+\.(?:so|a)\S*)", missing.incompatible[0].line)
        machines = [str(one["machine"]) for one in _found(trace, missing, "so", "archive") if one.get("machine")]
        of_machine = f" ({machines[0]})" if machines else ""
        where = f"{found[1]}{of_machine}" if found else "what there is"
        return f"-l{missing.name}: {where} is for another machine than this link, and there is no other"
    versioned = _found(trace, missing, "versioned so")
    if versioned and not missing.static:
        return f"-l{missing.name}: {searched}; {versioned[0]['path']} is only for running programs, not for linking"
    if missing.static and _found(trace, missing, "so"):
        return f"-l{missing.name}: this link is static, and {searched}"
    return f"-l{missing.name}: {searched}"


def _fixes(trace: Trace, missing: _Missing) -> list[Fix]:
    build = missing.linker.build
    if not missing.calls and missing.name.startswith("/"):
        return [Fix(f"Replace {missing.name} by one{_for_target(missing) or ' for the machine that is linked for'}.")]
    found = packages.packages_of_library(missing.name, archive=missing.static)
    holds = f"lib{missing.name}.a" if missing.static else f"lib{missing.name}.so"
    fix = fixes.build_package(trace, build, found, f"Install the package that holds {holds}")
    result = [fix] if fix is not None else []
    versioned = _found(trace, missing, "versioned so")
    if versioned and not result and not missing.static:
        path = str(versioned[0]["path"])
        link = posixpath.join(posixpath.dirname(path), f"lib{missing.name}.so")
        command = fixes.as_root(trace, path, ("ln", "-s", path, link))
        result.append(Fix("Give the linker the name it looks for: a link to the library that is there.", command))
    if not result:
        result.append(
            Fix(
                f"Get {holds}{_for_target(missing)} with the library's development files; #cgo LDFLAGS: -L/folder names its folder."
            )
        )
    return result


def _for_target(missing: _Missing) -> str:
    """ " for linux/arm64", where a file of the name is there for another machine; else empty."""
    build = missing.linker.build
    wanted = targets.target(build) if build is not None else None
    return f" for {wanted}" if wanted is not None and missing.incompatible else ""
