"""Facts found by sort and process, failing calls by file, and questions that are answered once."""

from __future__ import annotations

from gotrace.events.model import Fact
from gotrace.events.recording import Header
from gotrace.trace.model import Trace
from tests.unit.trace.events_for import Story


def fact(seq: int, name: str, **data: int) -> Fact:
    return Fact(ts_ns=5, seq=seq, pid=0, name=name, subject=str(seq), data=data)


def subjects(trace: Trace, name: str, pid: int | None = None) -> list[str]:
    found = trace.facts_of(name) if pid is None else trace.facts_for(name, pid)
    return [one.subject for one in found]


def test_those_of_one_process_and_of_none_in_order() -> None:
    trace = Trace(Header(), facts=[fact(0, "place", pid=1), fact(1, "place"), fact(2, "goenv", pid=1)])
    trace.facts += [fact(3, "place", pid=2), fact(4, "place", pid=1)]
    assert subjects(trace, "place") == ["0", "1", "3", "4"]
    assert subjects(trace, "place", 1) == ["0", "1", "4"]
    assert subjects(trace, "place", 3) == ["1"]
    assert subjects(trace, "goenv", 2) == []
    assert subjects(trace, "none") == subjects(trace, "none", 1) == []


def test_a_list_that_changed_is_looked_at_again() -> None:
    trace = Trace(Header(), facts=[fact(0, "place", pid=1)])
    assert subjects(trace, "place", 1) == ["0"]
    trace.facts.append(fact(1, "place", pid=1))
    assert subjects(trace, "place", 1) == ["0", "1"]
    trace.facts[:] = [fact(7, "place", pid=1), fact(8, "place", pid=1)]
    assert subjects(trace, "place") == ["7", "8"]
    trace.facts.clear()
    assert subjects(trace, "place") == []


def test_failing_calls_of_one_file() -> None:
    story = Story()
    story.execs(1, "go build .")
    for path in ("/usr/bin/gcc", "/bin/gcc-12", "gcc", "/bin/gcc/"):
        story.fails(1, "openat", 2, path, "/x/gcc")
    story.fails(1, "close", 9)
    (go,) = story.trace().spans
    assert [call.paths[0] for call in go.failing("gcc")] == ["/usr/bin/gcc", "gcc"]
    assert go.failing("cc") == []
    go.errors.pop(0)
    assert [call.paths[0] for call in go.failing("gcc")] == ["gcc"]


def test_a_question_about_the_whole_trace_is_worked_out_once() -> None:
    trace, asked = Trace(Header()), []

    def work_out() -> int:
        asked.append(1)
        return 42

    assert [trace.once("answer", work_out), trace.once("answer", work_out), len(asked)] == [42, 42, 1]
    trace.derived.clear()
    assert [trace.once("answer", work_out), len(asked)] == [42, 2]
