"""Who made a call: the function of a library that was asked, the program's own function that asked it, and, where that
is C, the Go function that called into C.

The innermost frames say nothing: every system call of Go is made by one function of its runtime, every one of C by a
stub of libc.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from gotrace.events.model import Frame
from gotrace.events.running import SIGNAL_TRAMPOLINE

_STANDARD: Final = frozenset({
    "archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug",
    "embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal",
    "io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime",
    "slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode",
    "unique", "unsafe", "vendor", "weak",
})  # fmt: skip
"""The first elements of the import paths of Go 1.26's standard library (`go list std`)."""
_SYSTEM_CALLS: Final = ("syscall", "internal/runtime/syscall", "internal/syscall", "internal/poll", "runtime")
"""Packages of it that every system call goes through."""
_ALSO_WRAPPERS: Final = "golang.org/x/sys"
_OF_LIBRARIES: Final = frozenset({"libc", "ld.so", "vdso"})
_OF_SYSTEM: Final = re.compile(r"(?:/usr)?/lib(?:32|64|x32)?/.*\.so(?:\.[^/]*)?$")
_GLUE: Final = re.compile(r"\._C2?func_|^_cgoexp_|^runtime\.(?:asm)?cgocall(?:\.|$)")
"""What lies between Go and C (cmd/cgo/out.go, runtime/cgocall.go), but for what may hold C's own function inlined."""
_INTERRUPTED: Final = re.compile(rf"{SIGNAL_TRAMPOLINE}$|runtime\.sigreturn")
"""What a signal handler returns to: the frames behind it were interrupted, and asked for nothing."""
_OF_A_PLUGIN: Final = "plugin/unnamed-"
"""How the import path of a plugin's main package begins (cmd/go/internal/load, pluginPath)."""


def callers(stack: Sequence[Frame]) -> tuple[Frame, ...]:
    """At most three frames, the innermost first; empty where nothing is known of the stack but an address.

    `os.OpenFile`, `main.main`; or `open` of libc, `read_config`, `main.load`. Where no frame is the program's own, as
    in a goroutine of net/http, the innermost and the outermost function that are more than a wrapper of system calls.
    """
    asking = takewhile(lambda frame: not _INTERRUPTED.match(frame.symbol), stack)
    known = [frame for frame in asking if frame.module and not _GLUE.search(frame.symbol)]
    leading = next((number for number, frame in enumerate(known) if not is_of_a_library(frame)), len(known))
    own = [frame for frame in known[leading:] if not is_of_a_library(frame)]
    if not own:
        return _within_libraries(known)
    asked = known[leading - 1 : leading] if leading else []
    return (*asked, own[0], *_go_above(own))


def _go_above(own: Sequence[Frame]) -> Sequence[Frame]:
    """The Go function that called the innermost own one, where that is C."""
    if own[0].origin == "go":
        return ()
    return [frame for frame in own if frame.origin == "go"][:1]


def _within_libraries(known: Sequence[Frame]) -> tuple[Frame, ...]:
    telling = [frame for frame in known if not (frame.origin == "go" and _is_of(_package(frame.symbol), _SYSTEM_CALLS))]
    if not telling:
        return tuple(known[:1])
    return tuple(telling[:1]) if len(telling) == 1 else (telling[0], telling[-1])


def is_of_a_library(frame: Frame) -> bool:
    """It is Go's standard library, libc, its loader, the vDSO or a library of the system: nobody's own code."""
    if frame.origin != "go":
        return frame.origin in _OF_LIBRARIES or bool(_OF_SYSTEM.match(frame.module))
    package = _package(frame.symbol)
    if package.startswith(_OF_A_PLUGIN):
        return False
    return package.partition("/")[0] in _STANDARD or _is_of(package, (_ALSO_WRAPPERS,))


def _package(symbol: str) -> str:
    """The import path in front of a Go function's name: `net/http` of `net/http.(*Server).Serve`."""
    path, slash, name = symbol.partition("[")[0].rpartition("/")
    return f"{path}{slash}{name.partition('.')[0]}"


def _is_of(package: str, paths: Sequence[str]) -> bool:
    return any(package == path or package.startswith(f"{path}/") for path in paths)
