"""error-asked-on-another-thread: who asked where, behind why the library did not come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gotrace.events.facets import Facet
from gotrace.events.model import Exec, Exit, KnownEvent, Lost
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding, Severity
from gotrace.trace.builder import build
from gotrace.trace.model import Trace
from tests.unit.rules.loaded import PID, Loaded
from tests.unit.rules.recorded import findings, ways_out
from tests.unit.rules.scenes import proof

NAME = "error-asked-on-another-thread"
OTHER = PID + 1


def program(**data: Any) -> Loaded:
    run = Loaded()
    run.starts(**data)
    run.libc()
    return run


def not_there() -> Loaded:
    """A library that is nowhere, of which the program had no reason to tell."""
    run = program()
    with run.calls():
        run.misses("libfoo.so")
        run.opens("libfoo.so")
    run.told_on(OTHER)
    return run


def trace_of(*events: KnownEvent) -> Trace:
    """Of a run in which everything was observed."""
    return build(Header(argv=("sh",), observes=tuple(Facet), running=True), events)


def names(found: list[Finding]) -> list[str]:
    return [one.name for one in found]


def test_as_it_was_recorded() -> None:
    cause, companion = findings(NAME)
    assert cause.name == "shared-library-not-found"
    assert cause.message.startswith("app opens libclient.so by dlopen, and the loader finds it nowhere: it looked in ")
    assert (companion.name, companion.severity, companion.confidence) == (NAME, Severity.WARNING, 0.9)
    assert companion.message.startswith("app opened libclient.so by C.dlopen on thread ")
    assert ", which failed, and asked C.dlerror for the reason on thread " in companion.message
    told = [one.text for one in companion.evidence]
    assert told == ['dlopen("libclient.so", RTLD_NOW) = NULL', "dlerror() = NULL", "+++ exited with 1 +++"]
    assert "runtime.LockOSThread() before C.dlopen" in ways_out(companion)
    assert names(findings(f"{NAME}.fixed-2")) == ["shared-library-not-found"]
    assert findings(f"{NAME}.fixed") == []


def test_the_cause_comes_first_and_does_without_the_words() -> None:
    cause, companion = not_there().findings(1)
    assert (cause.name, companion.name) == ("shared-library-not-found", NAME)
    assert "dlopen" in proof(cause)
    assert "dlerror" not in proof(cause)
    assert companion.message == (
        f"app opened libfoo.so by dlopen (called by main) on thread {PID}, which failed, and asked dlerror (called by "
        f"main) for the reason on thread {OTHER}: that returned NULL, because it tells of the failures of its own "
        "thread only. So app had no reason to tell."
    )


def _no_elf_file(run: Loaded) -> None:
    with run.calls():
        run.opens("/srv/lib/libfoo.so")
    run.lies("libfoo.so", {"path": "/srv/lib/libfoo.so", "machine": None, "searched": True})


def _on_noexec(run: Loaded) -> None:
    with run.calls():
        run.opens("/srv/lib/libfoo.so")
    run.lies("libfoo.so", {"path": "/srv/lib/libfoo.so", "noexec": "/srv", "searched": True})


def _lacks_a_symbol(run: Loaded) -> None:
    with run.calls():
        run.maps("/srv/lib/libfoo.so", undefined=["no_such"])
        run.opens("/srv/lib/libfoo.so")
    run.fact("undefined_symbols", "/srv/lib/libfoo.so", symbols=["no_such"], count=1)


def _for_musl(run: Loaded) -> None:
    with run.calls():
        libc = {"flavour": "musl", "relation": "dynamic", "version": ""}
        run.maps("/srv/lib/libfoo.so", libc=libc, needed=["libc.musl-x86_64.so.1"])
        run.opens("/srv/lib/libfoo.so")


@pytest.mark.parametrize(
    ("fails", "cause"),
    [
        (_no_elf_file, "wrong-elf-file"),
        (_on_noexec, "noexec-library"),
        (_lacks_a_symbol, "undefined-symbol"),
        (_for_musl, "library-of-another-libc"),
    ],
)
@pytest.mark.parametrize("status", [0, 1], ids=["went on", "failed"])
def test_behind_whatever_kept_the_library_out(fails: Callable[[Loaded], None], cause: str, status: int) -> None:
    """Also where a script lived with it, so that both are warnings."""
    run = program()
    fails(run)
    run.told_on(OTHER)
    script = [Exec(ts_ns=1, pid=1, path="/bin/sh", argv=("sh",), env={}, cwd="/"), *run.events]
    script += [Exit(**run.common(), status=1), Exit(ts_ns=10**9, pid=1, status=status)]

    assert names(diagnose(trace_of(*script)).findings) == [cause, NAME]


def test_alone_where_no_rule_knows_the_cause() -> None:
    run = program()
    run.opens("./tool")
    run.told_on(OTHER)
    finding = run.finding(NAME, 1)
    assert "runtime.LockOSThread()" in ways_out(finding)


def test_a_program_without_go_needs_no_runtime_of_go() -> None:
    run = program(go={})
    run.opens("./tool")
    run.told_on(OTHER)
    assert ways_out(run.finding(NAME, 1)).startswith("Call dlerror on the thread that called dlopen")


def test_go_is_known_by_its_calls_as_well() -> None:
    run = Loaded()
    run.opens("./tool", symbol="_cgo_0123456789ab_Cfunc_dlopen")
    run.told_on(OTHER)
    finding = run.finding(NAME, 1)
    assert "opened tool by C.dlopen on thread" in finding.message
    assert "runtime.LockOSThread()" in ways_out(finding)


def test_callers_without_a_name_are_not_told() -> None:
    run = program()
    run.opens("./tool", symbol="")
    run.told_on(OTHER)
    assert "opened tool by dlopen on thread" in run.finding(NAME, 1).message


def test_one_finding_a_program_of_the_last_one() -> None:
    run = program()
    for name in ("./first", "./second"):
        run.opens(name)
        run.told_on(OTHER)
    run.opens("./third", error="./third: no")
    assert "opened second by" in run.finding(NAME, 1).message


@pytest.mark.parametrize("status", [0, 1])
def test_nothing_where_its_own_thread_asked(status: int) -> None:
    run = program()
    run.opens("./tool", error="./tool: cannot be loaded")
    run.told_on(OTHER)
    assert run.findings(status) == []


def test_nothing_where_the_program_did_without_it() -> None:
    run = not_there()
    run.opens("libbar.so", handle=4)
    assert run.findings(1) == []
    assert not_there().findings(0) == []


def test_nothing_of_a_program_that_lived_long_afterwards() -> None:
    run = not_there()
    run.waits(40)
    assert run.findings(1) == []


def test_not_decided_where_calls_of_the_loader_were_lost() -> None:
    run = not_there()
    lost = Lost(ts_ns=5, pid=0, what="dlopen", count=1, reason="ring buffer full")
    diagnosis = diagnose(trace_of(*run.events, lost, Exit(**run.common(), status=1)))
    assert NAME not in names(diagnosis.findings)
    assert NAME in [one.name for one in diagnosis.not_evaluated]
