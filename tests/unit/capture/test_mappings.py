"""The history of mappings: which file was where, in which process, at which moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.mappings import Mappings
from gotrace.events.model import Event, Exec, Exit, Fork, Library

PAGE = 0x1000


def library(ts_ns: int, path: str, base: int, pid: int = 1, size: int = PAGE) -> Library:
    return Library(ts_ns=ts_ns, pid=pid, path=path, base=base, size=size, inode=hash(path) & 0xFFFF)


def exec_of(ts_ns: int, path: str, pid: int = 1, error: int = 0) -> Exec:
    return Exec(ts_ns=ts_ns, pid=pid, path=path, argv=(path,), error=error)


def history(*events: Event) -> Mappings:
    mappings = Mappings()
    for event in events:
        mappings.see(event)
    return mappings


def path_at(mappings: Mappings, pid: int, when_ns: int, ip: int) -> str | None:
    found = mappings.at(pid, when_ns, ip)
    return None if found is None else found.path


def test_an_address_is_in_what_is_mapped_there() -> None:
    mappings = history(library(1, "/bin/app", 0x1000), library(2, "/lib/libfoo.so", 0x9000, size=2 * PAGE))
    places = [0xFFF, 0x1000, 0x1FFF, 0x2000, 0x9000, 0xAFFF, 0xB000]
    found = [path_at(mappings, 1, 5, at) for at in places]
    assert found == [None, "/bin/app", "/bin/app", None, "/lib/libfoo.so", "/lib/libfoo.so", None]
    assert mappings.at(2, 5, 0x1000) is None


def test_what_came_later_to_the_same_place_hides_what_was_there_from_then_on() -> None:
    mappings = history(library(1, "/lib/old.so", 0x1000), library(10, "/lib/new.so", 0x1000))
    assert [path_at(mappings, 1, when, 0x1010) for when in (1, 9, 10, 99)] == ["/lib/old.so"] * 2 + ["/lib/new.so"] * 2


def test_a_mapping_that_is_told_too_late_counts_as_well() -> None:
    mappings = history(library(10, "/lib/late.so", 0x1000))
    assert path_at(mappings, 1, 3, 0x1010) == "/lib/late.so"


def test_an_answer_is_not_kept_longer_than_it_is_true() -> None:
    mappings = history(library(1, "/bin/app", 0x1000))
    assert path_at(mappings, 1, 20, 0x5000) is None
    mappings.see(library(30, "/lib/libfoo.so", 0x5000))
    assert path_at(mappings, 1, 20, 0x5000) == "/lib/libfoo.so"
    mappings.see(library(15, "/lib/libbar.so", 0x5000))
    assert path_at(mappings, 1, 20, 0x5000) == "/lib/libbar.so"


def test_a_fork_inherits_and_goes_its_own_way() -> None:
    mappings = history(
        library(1, "/bin/app", 0x1000),
        Fork(ts_ns=5, pid=1, child_pid=2),
        library(6, "/lib/parent.so", 0x9000),
        library(7, "/lib/child.so", 0x9000, pid=2),
    )
    assert path_at(mappings, 2, 8, 0x1000) == "/bin/app"
    assert path_at(mappings, 2, 8, 0x9000) == "/lib/child.so"
    assert path_at(mappings, 1, 8, 0x9000) == "/lib/parent.so"


def test_a_child_that_is_heard_of_before_its_birth_inherits_too() -> None:
    mappings = history(
        library(1, "/bin/app", 0x1000),
        library(7, "/lib/child.so", 0x9000, pid=2),
        Fork(ts_ns=5, pid=1, child_pid=2),
    )
    assert path_at(mappings, 2, 8, 0x1000) == "/bin/app"
    assert path_at(mappings, 2, 8, 0x9000) == "/lib/child.so"


def test_an_exec_clears_and_a_refused_one_does_not() -> None:
    before = [library(1, "/bin/sh", 0x1000), exec_of(3, "/bin/nothing", error=2)]
    assert path_at(history(*before), 1, 4, 0x1000) == "/bin/sh"
    mappings = history(*before, exec_of(5, "/bin/app"), library(6, "/bin/app", 0x4000))
    assert path_at(mappings, 1, 7, 0x1000) is None
    assert path_at(mappings, 1, 7, 0x4000) == "/bin/app"
    assert path_at(mappings, 1, 2, 0x1000) == "/bin/sh"


def test_what_is_told_too_early_is_the_new_programs_by_its_time() -> None:
    mappings = history(
        library(1, "/bin/sh", 0x1000),
        library(11, "/usr/bin/app", 0x1000),
        library(12, "[vdso]", 0x8000),
        exec_of(10, "./app"),
    )
    assert path_at(mappings, 1, 9, 0x1000) == "/bin/sh"
    assert [path_at(mappings, 1, 20, at) for at in (0x1000, 0x8000)] == ["/usr/bin/app", "[vdso]"]


def test_a_pid_that_is_used_again_begins_anew() -> None:
    mappings = history(
        library(1, "/bin/app", 0x1000),
        Fork(ts_ns=2, pid=1, child_pid=2),
        library(3, "/lib/first.so", 0x9000, pid=2),
        Exit(ts_ns=4, pid=2, status=0),
        Fork(ts_ns=10, pid=1, child_pid=2),
    )
    assert path_at(mappings, 2, 3, 0x9000) == "/lib/first.so"
    assert path_at(mappings, 2, 11, 0x9000) is None
    assert path_at(mappings, 2, 11, 0x1000) == "/bin/app"


EVENTS = st.one_of(
    st.builds(
        library,
        st.integers(0, 50),
        st.sampled_from(["/a", "/lib/ld-1", "[vdso]"]),
        st.integers(0, 3),
        st.integers(1, 3),
    ),
    st.builds(lambda ts, pid, child: Fork(ts_ns=ts, pid=pid, child_pid=child), *[st.integers(1, 4)] * 3),
    st.builds(exec_of, st.integers(0, 50), st.sampled_from(["/a", "/b"]), st.integers(1, 3), st.sampled_from([0, 2])),
)


@given(st.lists(EVENTS, max_size=30), st.integers(1, 4), st.integers(0, 60), st.integers(0, 5000))
def test_no_order_of_events_breaks_it(events: list[Event], pid: int, when_ns: int, ip: int) -> None:
    mappings = history(*events)
    found = mappings.at(pid, when_ns, ip)
    assert found is None or found.base <= ip < found.end
    assert mappings.at(pid, when_ns, ip) == found
