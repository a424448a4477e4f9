"""Which live events are kept, and what is followed by them."""

from __future__ import annotations

from gotrace.capture.live import Live
from gotrace.events.model import Event, Exec, Exit, Fork, Output

GO, GCC, PROGRAM = 10, 11, 12


def run_exec(pid: int, path: str, error: int = 0) -> Exec:
    return Exec(ts_ns=pid, pid=pid, path=path, argv=(path,), error=error)


def said(pid: int) -> Output:
    return Output(ts_ns=pid, pid=pid, text=f"{pid} speaks\n")


def kept(*events: Event) -> list[Event]:
    return list(Live().take(events))


def test_what_build_tools_say_is_kept() -> None:
    events = [run_exec(GO, "/usr/local/go/bin/go"), said(GO), run_exec(GCC, "/usr/bin/gcc"), said(GCC)]
    assert kept(*events) == events


def test_what_other_programs_say_is_not_kept_but_counted() -> None:
    live = Live()
    ran = run_exec(PROGRAM, "/usr/bin/make")
    assert live.take([ran, said(PROGRAM)]) == [ran]
    assert live.dropped == 1


def test_a_forked_child_is_what_its_parent_is_until_it_executes_something_else() -> None:
    fork = Fork(ts_ns=1, pid=GO, child_pid=PROGRAM)
    start = [run_exec(GO, "/usr/local/go/bin/go"), fork]
    assert kept(*start, said(PROGRAM)) == [*start, said(PROGRAM)]
    other = run_exec(PROGRAM, "/usr/bin/make")
    assert kept(*start, other, said(PROGRAM)) == [*start, other]


def test_a_refused_exec_changes_nothing() -> None:
    events = [run_exec(GO, "/usr/local/go/bin/go"), run_exec(GO, "/usr/bin/make", error=2), said(GO)]
    assert kept(*events) == events


def test_a_pid_that_is_used_again_is_another_process() -> None:
    first = [run_exec(PROGRAM, "/usr/bin/gcc"), Exit(ts_ns=2, pid=PROGRAM, status=0)]
    again = Fork(ts_ns=3, pid=99, child_pid=PROGRAM)
    assert kept(*first, again, said(PROGRAM)) == [*first, again]


def test_kept_events_are_masked() -> None:
    secret = Exec(ts_ns=1, pid=GO, path="/bin/git", argv=("git", "https://user:secret@host/x"), env={"OTHER": "1"})
    (event,) = kept(secret)
    assert isinstance(event, Exec)
    assert event.argv == ("git", "https://***@host/x")
    assert event.env == {}


def test_processes_whose_exit_was_not_seen_still_run() -> None:
    live = Live()
    live.take([run_exec(GO, "/bin/go"), Fork(ts_ns=1, pid=GO, child_pid=GCC), Exit(ts_ns=2, pid=GO, status=0)])
    assert list(live.running()) == [GCC]
