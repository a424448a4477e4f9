from __future__ import annotations

from gotrace.cli.tally import Tally
from gotrace.events.model import Exec, Exit

TOOLS = "/usr/local/go/pkg/tool/linux_amd64"


def run(pid: int, *argv: str, error: int = 0) -> Exec:
    return Exec(ts_ns=1, pid=pid, path=argv[0], argv=argv, error=error)


def ended(pid: int, status: int | None = 0) -> Exit:
    return Exit(ts_ns=2, pid=pid, status=status, signal=None if status is not None else 9)


def test_a_build_on_its_way() -> None:
    tally = Tally()
    tally.add(
        [
            run(1, "/usr/local/go/bin/go", "build", "."),
            run(2, f"{TOOLS}/compile", "-V=full"),
            ended(2),
            run(3, f"{TOOLS}/compile", "-o", "x", "-p", "errors", "errors.go"),
            ended(3),
            run(4, f"{TOOLS}/compile", "-o", "x", "-p", "net/http", "http.go"),
            run(5, "/usr/bin/gcc", "-c", "x.c"),
            run(6, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "x.c"),
        ]
    )
    assert tally.line(5.2) == "gotrace: 1 package, 2 running (compile net/http, gcc), 5 s"


def test_a_compile_that_fails_or_is_killed_is_no_package() -> None:
    tally = Tally()
    for pid, status in ((1, 2), (2, None)):
        tally.add([run(pid, f"{TOOLS}/compile", "-p", "a", "a.go"), ended(pid, status)])
    assert tally.line(1) == "gotrace: 0 packages, 1 s"


def test_refused_execs_and_unknown_exits_count_for_nothing() -> None:
    tally = Tally()
    tally.add([run(1, "/usr/bin/gcc", "-c", "x.c", error=2), ended(99)])
    assert tally.line(0) == "gotrace: 0 packages, 0 s"


def test_another_image_takes_the_place_of_the_first() -> None:
    tally = Tally()
    tally.add([run(1, "/usr/bin/gcc", "-c", "x.c"), run(1, "/bin/true")])
    assert tally.line(0) == "gotrace: 0 packages, 0 s"


def test_many_tools_are_not_all_named() -> None:
    tally = Tally()
    tally.add([run(pid, f"{TOOLS}/compile", "-p", f"p{pid}", "x.go") for pid in range(1, 6)])
    assert tally.line(0) == "gotrace: 0 packages, 5 running (compile p1, compile p2, compile p3, ...), 0 s"
