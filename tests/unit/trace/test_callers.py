"""Who made a call: what is told of a stack."""

from __future__ import annotations

import pytest

from gotrace.events.model import Frame
from gotrace.trace.callers import callers

IN_GO = "internal/runtime/syscall/linux.Syscall6 syscall.Syscall6 syscall.openat os.open os.openFileNolog os.OpenFile"
CALLED_BY_GO = "runtime.asmcgocall.abi0 runtime.cgocall main._Cfunc_load main.load main.main runtime.main"


def go(names: str) -> list[Frame]:
    return [Frame(ip=n, module="/src/app", symbol=name, origin="go") for n, name in enumerate(names.split(), 1)]


def c(names: str, module: str = "/src/app") -> list[Frame]:
    origin = "libc" if "libc" in module else "c"
    return [Frame(ip=n, module=module, symbol=name, origin=origin) for n, name in enumerate(names.split(), 1)]


LIBC = c("__open_nocancel open", "/lib/libc.so.6")


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        (go(f"{IN_GO} main.main runtime.main runtime.goexit"), ["os.OpenFile", "main.main"]),
        (go(f"{IN_GO} github.com/a/b.v2.(*T).Load main.main"), ["os.OpenFile", "github.com/a/b.v2.(*T).Load"]),
        (go(f"{IN_GO} os.ReadFile sync.(*Once).doSlow main.f"), ["sync.(*Once).doSlow", "main.f"]),
        (go("syscall.RawSyscall6 syscall.Setrlimit main.main"), ["syscall.Setrlimit", "main.main"]),
        (go("syscall.Syscall golang.org/x/sys/unix.Mount main.f[int]"), ["golang.org/x/sys/unix.Mount", "main.f[int]"]),
        (go("syscall.Syscall os.Remove plugin/unnamed-4f2a.Run"), ["os.Remove", "plugin/unnamed-4f2a.Run"]),
        (
            go("syscall.connect internal/poll.(*FD).Connect net.(*netFD).connect net.Dial net/http.(*T).dial"),
            ["net.(*netFD).connect", "net/http.(*T).dial"],
        ),
        (go("runtime.futex runtime.futexsleep runtime.mcall"), ["runtime.futex"]),
        ([*LIBC, *c("read_config main")], ["open", "read_config"]),
        ([*LIBC, *c("read_config _cgo_4fa_Cfunc_load"), *go(CALLED_BY_GO)], ["open", "read_config", "main.load"]),
        ([*LIBC, *c("_cgo_4fa_Cfunc_load"), *go(CALLED_BY_GO)], ["open", "_cgo_4fa_Cfunc_load", "main.load"]),
        ([*LIBC], ["__open_nocancel", "open"]),
        ([Frame(ip=9), *LIBC[:1]], ["__open_nocancel"]),
        ([Frame(ip=9)], []),
    ],
)  # fmt: skip
def test_who(stack: list[Frame], expected: list[str]) -> None:
    assert [frame.symbol for frame in callers(stack)] == expected
