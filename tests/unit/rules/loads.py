"""Programs that load libraries and crash, told tersely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gotrace.events.model import Dlerror, Dlopen, Dlsym, Frame, Library, Signal
from gotrace.rules.finding import Finding
from tests.unit.rules.programs import PID, Program

APP = "/srv/app"
MUSL = "/lib/ld-musl-x86_64.so.1"
GLIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
WRAPPER = "_cgo_906b98fda00e_Cfunc_start"
GO = ("runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_start", "main.main", "runtime.main", "runtime.goexit")
_IS = {
    MUSL: {"flavour": "musl", "relation": "is", "version": "1.2.3"},
    GLIBC: {"flavour": "glibc", "relation": "is", "version": "2.36"},
}


class Loads(Program):
    """A program for a C library, with what came in."""

    def __init__(self, libc: str = MUSL, *, static: str = "", go: str = "exe", **program: Any) -> None:
        """`libc` is the path of the C library that comes in; `static` the name of the one inside, then none comes."""
        super().__init__(**program)
        name = static or ("musl" if libc == MUSL else "glibc")
        settings = {"CGO_ENABLED": "1", "-buildmode": go}
        self.maps(APP, name, relation="static" if static else "dynamic", go={"path": "ex/app", "settings": settings})
        if not static:
            self.maps(libc, "", libc=_IS[libc])

    def maps(self, path: str, flavour: str, *, relation: str = "dynamic", **data: Any) -> None:
        """A file comes in, and is looked at afterwards: `flavour` is the C library that it was built for."""
        libc = {"flavour": flavour, "relation": relation, "version": ""}
        base = (1 + len(self.events)) << 40
        self.events.append(Library(**self._common(), path=path, base=base, size=0x2000, offset=0x1000))
        self.fact("binary", path, **{"machine": "x86_64", "bits": 64, "libc": libc, **data})

    def opens(self, name: str, handle: int = 0x5000, *, flags: int = 2, error: str = "", began: int = 0) -> None:
        """A dlopen; `began` is how many moments before it began."""
        common = self._common()
        began_ns = common["ts_ns"] - 1000 * began - 500
        self.events.append(
            Dlopen(**common, filename=name, flags=flags, handle=handle, began_ns=began_ns, caller=_frame(WRAPPER))
        )
        if error:
            self.events.append(Dlerror(**self._common(), text=error))

    def asks(self, symbol: str, address: int = 0, *, handle: int = 0x5000, caller: str = WRAPPER) -> None:
        """A dlsym."""
        self.events.append(
            Dlsym(**self._common(), symbol=symbol, handle=handle, address=address, caller=_frame(caller))
        )

    def faults(
        self, ip: int, *stack: Frame, address: int | None = None, signal: int = 11, code: int = 1, go: bool = True
    ) -> None:
        """A fatal signal, that Go catches and tells of."""
        where = ip if address is None else address
        common = {**self._common(), "signal": signal, "code": code, "handled": True}
        below = tuple(_frame(name, origin="go") for name in GO) if go else ()
        self.events.append(Signal(**common, ip=ip, address=where, stack=(Frame(ip=ip), *stack, *below)))
        self.says("SIGSEGV: segmentation violation")

    def first(self, status: int | None = 2, signal: int | None = None) -> Finding:
        """The first of what is found."""
        return self.findings(status=status, signal=signal)[0]

    def names(self, status: int | None = 2) -> list[str]:
        """What is found."""
        return [one.name for one in self.findings(status=status)]


def _frame(symbol: str, module: str = APP, origin: str = "c") -> Frame:
    return Frame(ip=0x401000, module=module, symbol=symbol, origin=origin)


def calls(*symbols: str, module: str = APP, origin: str = "c") -> Sequence[Frame]:
    """Frames of C functions, the innermost first."""
    return [_frame(symbol, module, origin) for symbol in symbols]


__all__ = ["APP", "GLIBC", "GO", "MUSL", "PID", "WRAPPER", "Loads", "calls"]
