"""GT601: a temporary file, and no folder for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Final

from gotrace.events.errno import errno_numbers
from gotrace.events.facets import Facet
from gotrace.events.model import SyscallError
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.system_files import LIKELY, Seeker
from gotrace.trace.model import Trace

_USUAL: Final = ("/tmp", "/var/tmp")
_CREATE: Final = 0o100
_TMPFILE: Final = 0o20000000
_FLAGS: Final = {"open": 1, "openat": 2}
"""Which argument has them, from 0."""
_MAKES: Final = frozenset({"mkdir", "mkdirat", "creat"})
_MISSING, _READ_ONLY = errno_numbers("ENOENT"), errno_numbers("EROFS")
_REFUSED = _MISSING | _READ_ONLY

_SHOWN: Final = 3


class MissingTemporaryFolder(Rule):
    """A program failed to make a temporary file or folder: /tmp is missing where it runs, or read-only.

    What it detects
    ---------------
    A program failed after it had tried to make a file or a folder directly in its temporary folder (TMPDIR, or /tmp,
    or /var/tmp), and the kernel had answered ENOENT, which for something new can only mean that the folder is missing,
    or EROFS.

    Why it happens
    --------------
    os.CreateTemp and os.MkdirTemp of Go, tmpfile(3) and mkstemp(3) use a folder that they take for granted, and none
    of them makes it. An image that was built FROM scratch has no /tmp. A container with a read-only root (docker run
    --read-only, readOnlyRootFilesystem: true in Kubernetes) has one that may not be written.

    How to fix it
    -------------
    Make the folder with the image: `mkdir -m 1777 tmp` in a build stage and `COPY --from=build /tmp /tmp`, or
    `WORKDIR /tmp` in a Dockerfile. Or mount one: `docker run --tmpfs /tmp`, an emptyDir in Kubernetes. Or point TMPDIR
    to a folder that is there and may be written.

    References
    ----------
    - https://pkg.go.dev/os#TempDir: "neither guaranteed to exist nor have accessible permissions"
    - open(2): ENOENT with O_CREAT, EROFS
    """

    code = "GT601"
    name = "missing-temporary-folder"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each run, about the last thing that it could not make."""
        for seeker in system_files.seekers(trace):
            if seeker.span.output or seeker.span.signals or system_files.interrupted(seeker):
                continue  # there is another reason
            refused = list(islice((call for call in reversed(seeker.span.errors) if _folder(seeker, call)), _SHOWN))
            if not refused:
                continue
            call = refused[0]
            folder, last = _folder(seeker, call), _was_the_last(seeker, call)
            yield Finding(
                code=self.code,
                name=self.name,
                severity=Severity.ERROR if last else Severity.WARNING,
                message=_message(seeker, call, folder),
                span=seeker.span,
                evidence=evidence.of(*refused, seeker.span.exit),
                fix=_fixes(seeker, folder, missing=call.errno in _MISSING),
                confidence=1.0 if last else LIKELY,
                explains=frozenset({seeker.key}),
            )


def _folder(seeker: Seeker, call: SyscallError) -> str:
    """The temporary folder in which this call was to make something; empty for another call."""
    if call.errno not in _REFUSED or not call.paths:
        return ""
    flags = _flags(call) if call.syscall in _FLAGS else 0
    if call.syscall not in _MAKES and not flags & (_CREATE | _TMPFILE):
        return ""
    # With O_TMPFILE the folder is named, and the file has no name.
    folder = call.paths[0] if flags & _TMPFILE == _TMPFILE else call.paths[0].rpartition("/")[0]
    return folder if folder in _USUAL or (folder and folder == _chosen(seeker)) else ""


def _chosen(seeker: Seeker) -> str:
    return (seeker.span.exec.env or {}).get("TMPDIR", "").rstrip("/")


def _flags(call: SyscallError) -> int:
    place = _FLAGS[call.syscall]
    return call.args[place] if place < len(call.args) else 0


def _was_the_last(seeker: Seeker, call: SyscallError) -> bool:
    """No other call of its thread failed after it, but for looking the folder up once more."""
    later = [one for one in seeker.span.errors if one.tid == call.tid and one.ts_ns > call.ts_ns]
    return all(one.paths and one.paths[0].rstrip("/") == call.paths[0].rpartition("/")[0] for one in later)


def _message(seeker: Seeker, call: SyscallError, folder: str) -> str:
    made = f"{seeker.name} could not make {'a folder' if call.syscall.startswith('mkdir') else 'a file'} in {folder}"
    if call.errno in _READ_ONLY:
        return f"{made}, which is on a read-only file system."
    return f"{made}, which is not among the files of {seeker.where}."


def _fixes(seeker: Seeker, folder: str, *, missing: bool) -> list[Fix]:
    ways = []
    if missing and (seeker.root or not seeker.elsewhere):
        path = f"{seeker.root.rstrip('/')}{folder}"
        ways.append(Fix(f"Make {path}, for everybody.", ("mkdir", "-p", "-m", "1777", path)))
    elif missing:
        ways.append(Fix(f"Make it with the image: WORKDIR {folder} in the Dockerfile, or COPY an empty folder there."))
    if (seeker.elsewhere and not seeker.root) or not missing:
        ways.append(Fix(f"Mount one at run time: docker run --tmpfs {folder}, or an emptyDir at {folder} in a pod."))
    return [*ways, Fix("Or have TMPDIR name a folder that is there and may be written.")]
