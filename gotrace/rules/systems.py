"""The system whose files a build lacks something of: the traced machine's, or another one below a root of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gotrace.events.tools import is_tool
from gotrace.trace.model import Trace

_SEVERAL: Final = -1


class System(NamedTuple):
    """A distribution as os-release(5) calls it, and how to get there."""

    distribution: str = ""
    """Its id in lower case; empty where unknown."""
    version: str = ""
    folder: str = ""
    """Its root folder, as its mount namespace names it; empty: /."""
    mount_namespace: int = 0
    """Its own, or 0 where that is the traced machine's."""

    @property
    def elsewhere(self) -> bool:
        """It is another one than the system that gotrace itself ran on."""
        return bool(self.folder or self.mount_namespace)

    @property
    def enter(self) -> tuple[str, ...]:
        """The words in front of a command that have it run there; none where nobody else can get there afterwards."""
        return ("chroot", self.folder) if self.folder and not self.mount_namespace else ()

    @property
    def title(self) -> str:
        """As in "Debian 11"; empty where unknown."""
        return f"{self.distribution.capitalize()} {self.version}".strip()

    @property
    def place(self) -> str:
        """Which one it is, for one that is elsewhere: "the Debian 11 in /srv/root"."""
        name = "the system" if self.distribution in ("", "linux") else f"the {self.title}"
        return f"{name} in {self.folder or 'another mount namespace'}"


def system(trace: Trace) -> System:
    """The system that failed tools ran in (all tools, where none failed); of several, one of which nothing is known."""
    return trace.once("system", lambda: _system(trace))


def _system(trace: Trace) -> System:
    tools = [span for span in trace.spans if is_tool(span.role)]
    roots = {(span.exec.mount_namespace, span.exec.root) for span in tools if span.failed and not span.probe}
    roots = roots or {(span.exec.mount_namespace, span.exec.root) for span in tools} or {(0, "")}
    found = [_at(trace, *root) for root in sorted(roots)]
    # A sandbox may give each compile a mount namespace of its own, all with the same files.
    alike = len({(one.distribution, one.version, one.folder, bool(one.mount_namespace)) for one in found}) == 1
    return found[0] if alike else System(mount_namespace=_SEVERAL)


def _at(trace: Trace, mounts: int, folder: str) -> System:
    told: Mapping[str, object] = trace.header.host if (mounts, folder) == (0, "") else {}
    for fact in trace.facts_of("root"):
        if (fact.data.get("mount_namespace"), fact.subject) == (mounts, folder):
            told = fact.data
    name, version = (str(told.get(key, "")) for key in ("distribution", "distribution_version"))
    return System(name.lower(), version, folder, mounts)
