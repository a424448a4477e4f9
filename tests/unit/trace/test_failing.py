"""Failing calls of a run: put together, and the one to look at first on top."""

from __future__ import annotations

from gotrace.events.errno import errno_numbers
from gotrace.events.model import Dlerror, Dlopen, Dlsym, Exec, Exit, Fork, Frame, KnownEvent, SyscallError
from gotrace.events.recording import Header
from gotrace.events.running import RTLD_NOLOAD
from gotrace.trace.builder import build
from gotrace.trace.failing import FailingCalls, Relevance, failing_calls


def call(ts_ns: int, syscall: str, errno: str, *paths: str, tid: int = 7, **more: object) -> SyscallError:
    (number,) = errno_numbers(errno)
    return SyscallError(ts_ns=ts_ns, pid=7, tid=tid, syscall=syscall, errno=number, paths=paths, **more)  # type: ignore[arg-type]


def of(*calls: KnownEvent, status: int = 1, end_ns: int = 10**12) -> list[FailingCalls]:
    """The groups of a program that made these calls and ended."""
    start = Exec(ts_ns=1, pid=7, path="/src/app", argv=("./app",), env={}, cwd="/src")
    return failing_calls(build(Header(running=True), [start, *calls, Exit(ts_ns=end_ns, pid=7, status=status)]))


def names(groups: list[FailingCalls]) -> list[str]:
    return [group.first.syscall if isinstance(group.first, SyscallError) else "" for group in groups]


def refused(ts_ns: int, path: str, errno: str = "ENOENT", pid: int = 7) -> Exec:
    (number,) = errno_numbers(errno)
    return Exec(ts_ns=ts_ns, pid=pid, path=path, argv=(path,), error=number)


def test_a_refusal_comes_before_a_full_table_and_that_before_a_search() -> None:
    groups = of(
        call(2, "openat", "ENOENT", "/etc/app.conf"),
        call(3, "accept4", "EMFILE"),
        call(4, "io_uring_setup", "EPERM"),
        call(5, "getsockopt", "EINVAL"),
        status=0,
    )
    assert names(groups) == ["io_uring_setup", "accept4", "getsockopt", "openat"]


def test_what_a_failed_program_looked_up_last_counts() -> None:
    calls = [call(2 + n, "openat", "ENOENT", f"/etc/app/{n}.conf") for n in range(9)]
    assert [group.relevance for group in of(*calls)][:4] == [Relevance.LAST] * 3 + [Relevance.SEARCH]
    assert {group.relevance for group in of(*calls, status=0)} == {Relevance.SEARCH}


def test_a_name_that_was_tried_in_several_folders_is_a_search() -> None:
    tried = [call(3 + n, "openat", "ENOENT", f"{folder}/libx.so") for n, folder in enumerate(("/lib", "/usr/lib"))]
    catalogue = call(9, "openat", "ENOENT", "/usr/share/locale/C/LC_MESSAGES/libc.mo")
    groups = of(call(2, "statx", "ENOENT", "/nonexistent"), *tried, catalogue)
    expected = [Relevance.LAST, Relevance.SEARCH, Relevance.SEARCH, Relevance.HARMLESS]
    assert [group.relevance for group in groups] == expected
    assert isinstance(groups[0].first, SyscallError)
    assert groups[0].first.paths == ("/nonexistent",)


def test_what_every_healthy_go_program_gets_is_harmless() -> None:
    named = call(2, "prctl", "EINVAL", args=(0x53564D41, 0, 4096, 4096, 0, 0))
    other = call(3, "prctl", "EINVAL", args=(38, 0, 0, 0, 0, 0))
    waited = call(4, "futex", "ETIMEDOUT")
    assert [group.relevance for group in of(named, other, waited)] == [Relevance.LAST, *[Relevance.HARMLESS] * 2]


def test_equal_calls_are_one_with_their_number_and_rate() -> None:
    calls = [call(10**9 * n, "connect", "ECONNREFUSED", ip=9, repeat=2, tid=n) for n in range(1, 6)]
    (group,) = of(*calls)
    assert (group.count, group.rate, group.tids) == (10, 2.5, {1, 2, 3, 4, 5})


def test_calls_from_two_places_are_two() -> None:
    here, there = (Frame(ip=n, module="/src/app", symbol=name, origin="c") for n, name in ((8, "f"), (9, "g")))
    calls = [call(n, "prctl", "EINVAL", ip=8, stack=stack) for n, stack in enumerate([(here,), (there,), (here,)], 2)]
    assert [group.count for group in of(*calls)] == [2, 1]


def test_calls_that_ask_for_another_thing_are_two() -> None:
    asked = [
        call(2 + n, "setsockopt", "EPERM", args=(fd, 1, option))
        for n, (fd, option) in enumerate(((3, 2), (4, 2), (3, 7)))
    ]
    assert [group.count for group in of(*asked)] == [1, 2]


def test_calls_about_two_addresses_are_two() -> None:
    calls = [call(2 + n, "bind", "EADDRINUSE", address=address) for n, address in enumerate(("0200", "0a00", "0200"))]
    assert [group.count for group in of(*calls)] == [2, 1]


def test_who_asked_is_whoever_called_libc() -> None:
    stack = (
        Frame(ip=1, module="/lib/libc.so.6", symbol="open", origin="libc"),
        Frame(ip=2, module="/src/app", symbol="f", origin="c"),
    )
    (group,) = of(call(2, "prctl", "EINVAL", stack=stack))
    assert [frame.symbol for frame in group.by] == ["open", "f"]


def test_the_same_of_many_processes_is_told_once_wherever_the_program_lies_in_memory() -> None:
    events: list[KnownEvent] = []
    for pid in range(100, 300):
        frame = Frame(ip=pid * 4096, module="/bin/ls", symbol="look", origin="c")
        events += [
            Exec(ts_ns=pid * 10, pid=pid, path="/bin/ls", argv=("ls", "/nope")),
            SyscallError(ts_ns=pid * 10 + 1, pid=pid, syscall="statx", errno=2, paths=("/nope",), stack=(frame,)),
            Exit(ts_ns=pid * 10 + 2, pid=pid, status=2),
        ]
    (group,) = failing_calls(build(Header(running=True), events))
    assert (group.count, len(group.pids), group.program, group.relevance) == (200, 200, "ls", Relevance.LAST)


def test_a_program_that_was_not_there_comes_first() -> None:
    groups = of(refused(3, "/opt/tools/convert"), call(4, "io_uring_setup", "EPERM"), end_ns=10**9)
    assert [group.relevance for group in groups] == [Relevance.NOT_STARTED, Relevance.REFUSED]
    assert isinstance(groups[0].first, Exec)


def test_it_does_so_where_a_forked_child_wanted_it() -> None:
    (group,) = of(
        Fork(ts_ns=2, pid=7, child_pid=8), refused(3, "/opt/convert", pid=8), Exit(ts_ns=4, pid=8, status=253), end_ns=9
    )
    assert (group.relevance, group.program) == (Relevance.NOT_STARTED, "app")


def test_a_program_found_in_the_next_folder_was_a_search() -> None:
    tried = [refused(3, "/usr/local/bin/convert"), refused(4, "/usr/bin/convert")]
    found = Exec(ts_ns=5, pid=8, path="/bin/convert", argv=("convert",))
    forked = [Exec(ts_ns=one.ts_ns, pid=8, path=one.path, error=one.error) for one in tried]
    (group,) = of(Fork(ts_ns=2, pid=7, child_pid=8), *forked, found, Exit(ts_ns=6, pid=8, status=1), end_ns=9)
    assert (group.relevance, group.count) == (Relevance.SEARCH, 2)


def test_a_refused_program_that_nothing_failed_of_weighs_less() -> None:
    assert [group.relevance for group in of(refused(3, "/opt/convert"))] == [Relevance.UNREACHED]
    assert [group.relevance for group in of(refused(3, "/opt/convert", "EACCES"))] == [Relevance.REFUSED]


def test_what_the_loader_did_not_find_is_told_with_its_words() -> None:
    opened = Dlopen(ts_ns=2, pid=7, tid=7, filename="./good.so", flags=2, handle=16)
    missing = Dlsym(ts_ns=3, pid=7, tid=7, symbol="sub", handle=16, address=0)
    said = Dlerror(ts_ns=4, pid=7, tid=7, text="./good.so: undefined symbol: sub")
    (group,) = of(opened, missing, said)
    assert (group.first, group.reason, group.relevance) == (missing, said.text, Relevance.LAST)
    (group,) = of(opened, missing)
    assert group.reason == "looked for in ./good.so"
    (group,) = of(Dlopen(ts_ns=2, pid=7, filename="libx.so", flags=2, handle=0), status=0)
    assert (group.reason, group.relevance) == ("", Relevance.OTHER)


def test_a_library_found_elsewhere_and_the_question_whether_one_is_loaded_are_no_failures() -> None:
    tried = Dlopen(ts_ns=2, pid=7, filename="/opt/libssl.so.1.1", flags=2, handle=0)
    found = Dlopen(ts_ns=3, pid=7, filename="libssl.so.3", flags=2, handle=16)
    asked = Dlopen(ts_ns=4, pid=7, filename="libx.so", flags=2 | RTLD_NOLOAD, handle=0)
    assert [group.relevance for group in of(tried, found, asked)] == [Relevance.SEARCH, Relevance.HARMLESS]


OPEN = Frame(ip=1, module="/lib/libc.so.6", symbol="open", origin="libc")


def by(*functions: str) -> tuple[Frame, ...]:
    """The frames of a call of libc's open by these functions of the program."""
    return (OPEN, *(Frame(ip=sum(map(ord, name)), module="/src/app", symbol=name, origin="c") for name in functions))


def asked(group: FailingCalls) -> list[str]:
    return [frame.symbol for frame in group.by]


def test_many_paths_from_one_place_are_one_and_the_newest_is_told() -> None:
    calls = [call(2 + n, "openat", "ENOENT", f"/x/{n}", stack=by("load"), tid=n % 3) for n in range(12)]
    (group,) = of(*calls)
    assert isinstance(group.first, SyscallError)
    assert (group.first.paths, len(group.paths), group.count) == (("/x/11",), 12, 12)
    assert (group.tids, group.relevance) == ({0, 1, 2}, Relevance.LAST)
    assert group.seconds == 11e-9


def test_few_paths_or_those_of_unknown_places_are_told_one_by_one() -> None:
    assert len(of(*(call(2 + n, "openat", "ENOENT", f"/x/{n}", stack=by("load")) for n in range(9)))) == 9
    assert len(of(*(call(2 + n, "openat", "ENOENT", f"/x/{n}") for n in range(12)))) == 12


def test_calls_of_which_only_libc_is_known_go_with_those_of_the_only_place_that_is() -> None:
    (group,) = of(*(call(2 + n, "openat", "ENOENT", "/x", stack=by("load") if n % 3 else by()) for n in range(9)))
    assert (asked(group), group.count, group.known) == (["open", "load"], 9, 6)


def test_they_do_so_where_the_paths_are_many() -> None:
    calls = [call(2 + n, "openat", "ENOENT", f"/x/{n}", stack=by("load") if n % 2 else by()) for n in range(30)]
    (group,) = of(*calls)
    assert (asked(group), group.count, group.known, len(group.paths)) == (["open", "load"], 30, 15, 30)


def test_they_do_not_where_two_places_are_known() -> None:
    stacks = (by("load"), by("save"), by())
    groups = of(*(call(2 + n, "openat", "ENOENT", "/x", stack=stacks[n % 3]) for n in range(9)))
    assert sorted(map(asked, groups)) == [["open"], ["open", "load"], ["open", "save"]]
    assert {group.known for group in groups} == {0}
