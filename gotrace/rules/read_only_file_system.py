"""GT415: a program wants to write where the file system is read-only."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.errno import errno_numbers
from gotrace.events.facets import Facet
from gotrace.rules import evidence, last_calls, steps
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.last_calls import Ending
from gotrace.trace.model import Trace

_READ_ONLY: Final = errno_numbers("EROFS")


class ReadOnlyFileSystem(Rule):
    """A program could not write a file because its file system is mounted read-only, and ended by it.

    What it detects
    ---------------
    A program that was followed as a run ended after a system call had failed with EROFS. The kernel says that for
    nothing else than a read-only mount: neither permissions nor a security module are to blame.

    Why it happens
    --------------
    Containers are run with a read-only root file system (`--read-only`, Kubernetes' readOnlyRootFilesystem), services
    with ProtectSystem=. What a program writes (caches, sockets, pid files, uploads) needs a place of its own then. A
    file system with errors is made read-only by the kernel as well (mount option errors=remount-ro).

    How to fix it
    -------------
    Mount a writable place there: `--tmpfs /run` or a volume in a container, an emptyDir in Kubernetes,
    RuntimeDirectory= or ReadWritePaths= in a unit of systemd. Or have the program write elsewhere.

    References
    ----------
    - open(2) (EROFS), mount(8)
    - https://docs.docker.com/reference/cli/docker/container/run/#read-only
    """

    code = "GT415"
    name = "read-only-file-system"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.RESOURCES})
    consequence_of = ("missing-temporary-folder",)

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program and path."""
        for ending in last_calls.endings(trace, _READ_ONLY):
            path = ending.call.paths[-1] if ending.call.paths else ""
            path = posixpath.normpath(posixpath.join(ending.span.exec.cwd or "", path)) if path else ""
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=(
                    f"{ending.program} could not write {path or 'a file'}: the file system there is mounted read-only "
                    f"({ending.call.syscall}, EROFS)."
                ),
                span=ending.span,
                evidence=evidence.of(ending.call, ending.span.exit),
                fix=_fixes(ending, path),
                confidence=ending.sure,
                explains=frozenset({steps.span_key(ending.span)}),
            )


def _fixes(ending: Ending, path: str) -> list[Fix]:
    folder = posixpath.dirname(path) or "there"
    return [
        Fix(
            f"Mount a writable place at {folder} (docker and podman: --tmpfs {folder} or a volume; Kubernetes: an "
            f"emptyDir; systemd: ReadWritePaths={folder})."
        ),
        Fix(f"Or have {ending.program} write elsewhere."),
    ]
