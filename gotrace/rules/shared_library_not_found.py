"""GT308: a shared library that is nowhere where the loader looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Event, Fact
from gotrace.rules import evidence, fixes, loading, rebuild, run_paths, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.listing import listed
from gotrace.rules.loaded_files import files, name_of, words
from gotrace.rules.loading import Missing
from gotrace.trace.model import Trace

_OF_GLIBC: Final = frozenset(
    {"libc.so.6", "libm.so.6", "libresolv.so.2", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"}
)
_OTHERWISE: Final = "Or build the program without cgo, where it can do without that library."
_LIBRARY_PATH: Final = "LD_LIBRARY_PATH"


class SharedLibraryNotFound(Rule):
    """A program needs a shared library, or opens one, that is in no folder in which the loader looks.

    What it detects
    ---------------
    The loader ended a program (exit status 127), or the program gave up after a dlopen(3) that returned NULL, and the
    failing calls show that a library was looked for and not found: all candidates ended with ENOENT (or EACCES, one
    that may not be read). Which file needs the library is read in the files. Where a file of that name lies elsewhere
    the finding says where, and why the loader did not look there.

    Why it happens
    --------------
    That a linker found a library by -L says nothing to the loader. It looks, for the libraries that one file needs, in
    this order: the RPATH of that file and of what brought it in (unless the file has a RUNPATH), LD_LIBRARY_PATH, the
    RUNPATH of that file alone, what ldconfig(8) has put into /etc/ld.so.cache, /lib and /usr/lib. So

    - a RUNPATH is not transitive: that of the program does not serve the libraries of its libraries;
    - a relative folder in it means the folder in which the program is started;
    - $ORIGIN stands for the folder of the file itself, if no shell and no make has expanded the $O;
    - dlopen with a name that has a slash looks at that path only; without, it looks as for the file that calls it;
    - services and sudo start programs without LD_LIBRARY_PATH.

    How to fix it
    -------------
    Write the folder into the file that needs the library: `#cgo LDFLAGS: -Wl,-rpath,$ORIGIN/lib`, for a library that
    needs another one in the flags of its own link, or with `patchelf --set-rpath`. LD_LIBRARY_PATH does for a try.
    Install what is missing altogether; an image made FROM scratch needs a program without cgo or one that is static.

    References
    ----------
    - ld.so(8), dlopen(3), patchelf(1)
    - https://github.com/src-d/hercules/issues/80, https://github.com/godror/godror/issues/35
    - https://github.com/golang/go/issues/59305 (libresolv.so.2 since Go 1.20)
    """

    code = "GT308"
    name = "shared-library-not-found"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.LIBRARIES})
    infers_from_absence: ClassVar[frozenset[str]] = frozenset({"library"})
    consequence_of = (
        "wrong-elf-file",
        "noexec-library",
        "library-of-another-libc",
        "dlopen-in-static-program",
        "refused-by-security-module",
    )

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each library of each program."""
        for span in trace.spans:
            for missing in loading.missing(trace, span) if span.failed else ():
                if missing.tried and not any(loading.lay_on_the_way(trace, missing)):
                    yield self._finding(trace, missing)

    def _finding(self, trace: Trace, missing: Missing) -> Finding:
        span = missing.span
        program = files(trace, span).program
        there = next((one for one in missing.found if loading.fits(trace, missing, one)), None)
        asker = missing.wanted_by or loading.caller(trace, missing) or program
        plain = [call for call in missing.tried if not _variant(call.paths[0])] or missing.tried
        events: list[Event | None] = [*evidence.sample(plain), *loading.evidence_of(missing.opening)]
        events.append(loading.words_of(missing))
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity,
            message=f"{_beginning(missing, asker)}. {_reason(trace, missing, asker, there)}",
            span=span,
            evidence=evidence.of(*events, span.exit),
            fix=_fixes(trace, missing, asker, there),
            confidence=1.0 if missing.opening is None else 0.9,
            explains=frozenset({steps.span_key(span)}),
        )


def _beginning(missing: Missing, asker: Fact | None) -> str:
    program = name_of(missing.span.exec.path)
    folders = list(dict.fromkeys(_folder(call.paths[0]) for call in missing.tried if not _variant(call.paths[0])))
    tried = listed([folder or "." for folder in folders], 5) if folders else "none"
    if missing.opening is not None and missing.wanted_by is None:
        if path := _path_given(missing):
            where = "" if path.startswith("/") else f", seen from {missing.span.exec.cwd or 'its folder'}"
            return f"{program} opens {path} by dlopen, and there is no such file{where}"
        return f"{program} opens {missing.name} by dlopen, and the loader finds it nowhere: it looked in {tried}"
    needs = f"{name_of(asker.subject)} needs {missing.name}" if asker is not None else f"{missing.name} is needed"
    opens = f"{program} opens {name_of(asker.subject)}, and " if missing.opening is not None and asker else ""
    return f"{opens}{needs}, and the loader finds it nowhere: it looked in {tried}"


def _path_given(missing: Missing) -> str:
    """What dlopen was given, where it has a slash and so is a path and no name to search for; else empty."""
    filename = missing.opening.call.filename or "" if missing.opening is not None and not missing.wanted_by else ""
    return filename if "/" in filename else ""


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _variant(path: str) -> bool:
    """A folder for libraries made for the very processor, below one that is looked into anyway."""
    return "/glibc-hwcaps/" in path or any(part in ("tls", "x86_64", "haswell") for part in path.split("/")[:-1])


def _reason(trace: Trace, missing: Missing, asker: Fact | None, there: Mapping[str, Any] | None) -> str:
    refused = next((call for call in missing.tried if loading.is_refusal(call)), None)
    if refused is not None:
        return f"{refused.paths[0]} may not be read by this user."
    others = words(missing.fact, "others") if missing.fact is not None else []
    if there is None and others:
        return f"Here is another release of it, {listed(others, 3)}, with another interface."
    if there is None:
        return "No file of that name was found near the program or in the usual folders."
    folder = _folder(str(there["path"]))
    if _path_given(missing):
        return f"{there['path']} is there: a name with a slash is taken as a path, relative to the current folder."
    return f"It is in {folder}; {_why_not(trace, missing, asker, folder)}."


def _why_not(trace: Trace, missing: Missing, asker: Fact | None, folder: str) -> str:
    """Why nobody looked into that folder."""
    cwd = missing.span.exec.cwd or "/"
    if asker is None:
        return "nothing tells the loader to look there"
    path = _as_path(missing, asker)
    if path:
        return f"{name_of(asker.subject)} names it as {path}, a path from the current folder on: it has no soname"
    own = run_paths.entries(asker, cwd)
    program = files(trace, missing.span).program
    for one in own:
        if one.eaten:
            return f"the {one.kind} {one.text} of {name_of(asker.subject)} has lost its $O: a shell or make expanded it"
        if one.relative:
            return (
                f"the {one.kind} {one.text} of {name_of(asker.subject)} is relative: it begins where the program is "
                f"started, here in {cwd}"
            )
    if program is not None and program is not asker:
        for one in run_paths.entries(program, cwd):
            if one.kind == "RUNPATH" and one.folder == folder:
                return (
                    f"the RUNPATH {one.text} of {name_of(program.subject)} is not transitive: it serves what that one "
                    f"needs itself, and {name_of(asker.subject)} has {_own(own)}"
                )
    return f"{name_of(asker.subject)} has {_own(own)}, and nothing else tells the loader to look there"


def _as_path(missing: Missing, asker: Fact) -> str:
    """What stands in a file that was linked with a library by its path, where that has no soname; else empty."""
    return next((one for one in words(asker, "needed") if "/" in one and name_of(one) == missing.name), "")


def _own(entries: list[run_paths.Entry]) -> str:
    return f"the {entries[0].kind} {':'.join(one.text for one in entries)}" if entries else "no RUNPATH"


def _fixes(trace: Trace, missing: Missing, asker: Fact | None, there: Mapping[str, Any] | None) -> list[Fix]:
    if there is None:
        return _bring(trace, missing, asker)
    folder = _folder(str(there["path"]))
    found = []
    if asker is not None and _as_path(missing, asker):
        text = (
            f"Give {missing.name} a name when it is linked (-Wl,-soname,{missing.name}), and link with it as -L and -l."
        )
        return [Fix(text)]
    if asker is not None and not _is_shared(folder):
        path = run_paths.from_origin(asker.subject, folder)
        found.append(_write_down(asker, files(trace, missing.span).program, path))
        found.append(
            Fix("Or have patchelf (a package of its own) write it into the file that is there.", _patchelf(asker, path))
        )
    if _is_shared(folder):
        found.append(Fix("Have the loader's list of libraries made anew.", fixes.privileged(trace, ("ldconfig",))))
    before = (missing.span.exec.env or {}).get(_LIBRARY_PATH)
    value = f"{folder}:{before}" if before else folder
    text = "For a try, say it in the environment (a service and sudo do not pass it on)."
    return [*found, Fix(text, fixes.rerun(trace, None, {_LIBRARY_PATH: value}))]


def _is_shared(folder: str) -> bool:
    return folder.startswith("/usr/local/lib")


def _write_down(asker: Fact, program: Fact | None, path: str) -> Fix:
    if "go" in asker.data or program is asker:
        text = f"Write the folder into {name_of(asker.subject)} when it is linked: `#cgo LDFLAGS: -Wl,-rpath,{path}`."
        return Fix(text)
    return Fix(
        f"Write the folder into {name_of(asker.subject)} when it is linked: gcc -shared ... '-Wl,-rpath,{path}'."
    )


def _patchelf(asker: Fact, path: str) -> tuple[str, ...]:
    return "patchelf", "--set-rpath", path, asker.subject


def _bring(trace: Trace, missing: Missing, asker: Fact | None) -> list[Fix]:
    """It is not there at all."""
    program = files(trace, missing.span).program
    if missing.name in _OF_GLIBC:
        text = f"{missing.name} belongs to glibc: run the program on a system that has the whole of it."
        return [Fix(text), *rebuild.without_cgo(program, "Or build it without cgo, where it can do without.")]
    others = words(missing.fact, "others") if missing.fact is not None else []
    if others:
        what = name_of(asker.subject) if asker is not None else "the program"
        return [
            Fix(f"Build {what} on a system with the release that is here, {name_of(others[0])}."),
            Fix(f"Or bring {missing.name} along, beside the program, and name its folder: -Wl,-rpath,$ORIGIN/lib."),
        ]
    path = _path_given(missing)
    if path and not path.startswith("/"):
        ways = [
            Fix(f"Start the program in the folder that has {path}: it was started in {missing.span.exec.cwd or '?'}."),
            Fix("Or open it by its absolute path, or by one that begins with the folder of the program itself."),
        ]
        return ways if _by_its_own_c(missing, program) else [*ways, *rebuild.without_cgo(program, _OTHERWISE)]
    text = f"Install the package that has {missing.name} (`apt-file search {missing.name}` names it on Debian)"
    return [
        Fix(f"{text}, or copy it into the image with all that it needs."),
        *(() if _by_its_own_c(missing, program) else rebuild.without_cgo(program, _OTHERWISE)),
    ]


def _by_its_own_c(missing: Missing, program: Fact | None) -> bool:
    """C code that was built into the program itself opens it: without cgo that code is gone, and does not build."""
    frame = missing.opening.call.caller if missing.opening is not None else None
    return frame is not None and program is not None and frame.module == program.subject
