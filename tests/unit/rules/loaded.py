"""Programs whose loader gave up, told tersely: what came in, what was missing, what capture learned of the files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOENT
from typing import Any

from gotrace.events.facets import Facet
from gotrace.events.model import (
    Dlerror,
    Dlopen,
    Dlsym,
    Exec,
    Exit,
    Fact,
    Frame,
    KnownEvent,
    Library,
    Output,
    SyscallError,
)  # fmt: skip
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding
from gotrace.trace.builder import build
from tests.unit.rules.scenes import DEBIAN

PID = 7
APP = "/srv/app"
LD = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
GLIBC = {"flavour": "glibc", "relation": "dynamic", "version": "2.34"}
USUAL = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib")
GO = {"version": "go1.26.8", "path": "ex/app", "settings": {"CGO_ENABLED": "1", "-buildmode": "exe"}}


class Loaded:
    """One run of /srv/app, in the order in which it is told."""

    def __init__(
        self, *, argv: Sequence[str] = ("./app",), cwd: str = "/srv", env: dict[str, str] | None = None
    ) -> None:
        self._now = self._began = 0
        self._argv = tuple(argv)
        self.events: list[KnownEvent] = [Exec(**self.common(), path=APP, argv=("./app",), env=dict(env or {}), cwd=cwd)]

    def maps(self, path: str, **data: Any) -> None:
        """A file that came in, and its `binary` fact."""
        self.events.append(Library(**self.common(), path=path, base=self._now << 12, size=4096))
        self.binary(path, **data)

    def binary(self, path: str, **data: Any) -> None:
        """What capture learned of a file."""
        usual = {
            "machine": "x86_64",
            "bits": 64,
            "type": 3,
            "needed": [],
            "versions": [],
            "undefined": [],
            "libc": GLIBC,
        }
        self.fact("binary", path, **(usual | data))

    def starts(self, needed: Sequence[str] = ("libc.so.6",), **data: Any) -> None:
        """The program and its loader."""
        self.maps(APP, **({"needed": list(needed), "go": GO} | data))
        self.maps(LD, soname="ld-linux-x86-64.so.2", libc={"flavour": "glibc", "relation": "is", "version": "2.36"})

    def libc(self, version: str = "2.36", **data: Any) -> None:
        """Its C library."""
        libc = {"flavour": "glibc", "relation": "is", "version": version}
        self.maps(LIBC, **({"soname": "libc.so.6", "libc": libc} | data))

    def misses(self, name: str, folders: Sequence[str] = USUAL, errno: int = ENOENT) -> None:
        """Candidates that are not there."""
        for folder in folders:
            path = f"{folder}/{name}"
            self.events.append(SyscallError(**self.common(), syscall="openat", errno=errno, paths=(path,)))

    def lies(self, name: str, *found: dict[str, Any], others: Sequence[str] = ()) -> None:
        """The `shared_object` fact of a library."""
        kind = {"machine": "x86_64", "bits": 64}
        data: dict[str, Any] = {"tried": [], "found": [kind | one for one in found]}
        self.fact("shared_object", name, **data, **({"others": list(others)} if others else {}))

    def opens(self, filename: str, handle: int = 0, error: str = "", caller: str = APP, symbol: str = "main") -> None:
        """A dlopen that returns now, and what dlerror says of it."""
        frame = Frame(ip=1, module=caller, symbol=symbol)
        self.events.append(
            Dlopen(**self.common(), filename=filename, flags=2, handle=handle, began_ns=self._began, caller=frame)
        )
        if error:
            self.events.append(Dlerror(**self.common(), text=error))

    def told_on(self, tid: int, text: str | None = None) -> None:
        """A dlerror of another thread."""
        frame = Frame(ip=1, module=APP, symbol="main")
        self.events.append(Dlerror(**(self.common() | {"tid": tid}), text=text, caller=frame))

    @contextmanager
    def calls(self) -> Iterator[None]:
        """What happens inside belongs to the dlopen that returns in it."""
        self._began = self._now + 1
        yield
        self._began = 0

    def asks(self, symbol: str, handle: int, address: int = 4096) -> None:
        """A dlsym."""
        self.events.append(Dlsym(**self.common(), symbol=symbol, handle=handle, address=address))

    def says(self, text: str) -> None:
        """A line on its stderr that is kept."""
        self.events.append(Output(**self.common(), text=f"{text}\n"))

    def fact(self, name: str, subject: str = "", **data: Any) -> None:
        """What the capture learned of it."""
        self.events.append(Fact(**self.common(), name=name, subject=subject, data=data))

    def waits(self, seconds: int) -> None:
        """It works on."""
        self._now += seconds * 10**9

    def findings(self, status: int | None = 127, signal: int | None = None) -> list[Finding]:
        """What all rules say once it has ended."""
        events = [*self.events, Exit(**self.common(), status=status, signal=signal)]
        observes = tuple(facet.value for facet in Facet)
        header = Header(argv=self._argv, host=dict(DEBIAN), observes=observes, running=True)
        diagnosis = diagnose(build(header, events))
        assert [one for one in diagnosis.not_evaluated if "the rule failed" in one.reason] == []
        return diagnosis.findings

    def finding(self, name: str, status: int = 127) -> Finding:
        """The only one there may be."""
        found = self.findings(status)
        assert [one.name for one in found] == [name]
        return found[0]

    def common(self) -> dict[str, Any]:
        """What all events carry."""
        self._now += 1000
        return {"ts_ns": self._now, "seq": self._now // 1000, "pid": PID, "tid": PID}


class Refused(Loaded):
    """A shell that could not start a program."""

    def __init__(self, path: str, errno: int) -> None:
        super().__init__(argv=("sh", "-c", path))
        self.events = [
            Exec(**self.common(), path="/bin/sh", argv=("sh", "-c", path), env={}, cwd="/srv"),
            Exec(**self.common(), path=path, argv=(path,), error=errno),
        ]
