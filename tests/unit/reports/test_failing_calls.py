"""The failing calls of a run, as both reports tell them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from gotrace.events.model import (
    Dlerror,
    Dlopen,
    Dlsym,
    Exec,
    Exit,
    Fact,
    Fork,
    Frame,
    KnownEvent,
    Output,
    Signal,
    SyscallError,
)
from gotrace.events.recording import Header
from gotrace.reports.json_report import JsonReport
from gotrace.reports.json_running import MOST
from gotrace.reports.terminal import TerminalReport
from gotrace.rules.finding import Diagnosis, Evidence, Finding, Severity
from gotrace.trace.builder import build
from gotrace.trace.model import Trace

GOLDEN = Path(__file__).parents[2] / "golden/failing_calls.txt"
SCHEMA = json.loads(resources.files("gotrace.reports").joinpath("schema/report-1.json").read_text())
S = 1_000_000_000
HEADING = "failing calls, those first that may matter most:"
FOR_INFORMATION = "failing calls, which may well be meant:"


def frame(symbol: str, origin: str = "go", module: str = "/src/app", file: str = "", line: int = 0) -> Frame:
    return Frame(ip=len(symbol), module=module, symbol=symbol, origin=origin, file=file, line=line)


IN_GO = (
    frame("internal/runtime/syscall/linux.Syscall6"),
    frame("syscall.openat"),
    frame("os.Open", file="/usr/local/go/src/os/file.go", line=385),
    frame("main.main", file="/src/main.go", line=14),
)
IN_C = (frame("open", "libc", "/lib/libc.so.6"), frame("read_config", "c"), frame("main.load"))


def run(*events: KnownEvent, status: int | None = 1, attached: int = 0) -> Trace:
    """A program that did this, in 2 s; `status` None: it runs on."""
    start = Exec(ts_ns=S, pid=7, path="/src/app", argv=("./app",), env={}, cwd="/src")
    ended: list[KnownEvent] = []
    if status is not None:
        data = {"pid": 7, "exit": status, "signal": None, "seconds": 2.0}
        ended = [Exit(ts_ns=3 * S, pid=7, status=status), Fact(ts_ns=3 * S, pid=7, name="command", data=data)]
    return build(Header(argv=("./app",), running=True, attached=attached), [start, *events, *ended])


def call(n: int, path: str, errno: int = 2, **more: Any) -> SyscallError:
    """Any failing openat, `n` milliseconds after the start."""
    args = (2**64 - 100, 1, 0, 0, 0, 0)
    given = {"pid": 7, "tid": 7, "syscall": "openat", "args": args, **more}
    return SyscallError(ts_ns=S + n * S // 1000, errno=errno, paths=(path,), **given)


def failed() -> list[KnownEvent]:
    """All sorts of failures."""
    events: list[KnownEvent] = [call(1, "/etc/ld.so.preload"), call(2, "/etc/app.conf", stack=IN_C)]
    events += [call(3 + n, "/run/lock", 13, stack=IN_GO, repeat=10) for n in range(3)]
    for pid in range(100, 1200):
        events += [
            Fork(ts_ns=2 * S, pid=7, child_pid=pid),
            Exec(ts_ns=2 * S + pid, pid=pid, path="/bin/ls", argv=("ls", "/nope")),
            call(1100 + pid // 10, "/nope", pid=pid, tid=pid),
            Exit(ts_ns=int(2.5 * S), pid=pid, status=2),
        ]
    return [
        *events,
        Dlopen(ts_ns=int(2.7 * S), pid=7, tid=7, filename="./good.so", flags=2, handle=0x5000),
        Dlsym(
            ts_ns=int(2.7 * S),
            seq=1,
            pid=7,
            tid=7,
            symbol="sub",
            handle=0x5000,
            address=0,
            caller=frame("_cgo_4f_Cfunc_ask", "c"),
        ),
        Dlerror(ts_ns=int(2.8 * S), pid=7, tid=7, text="./good.so: undefined symbol: sub"),
        Fork(ts_ns=int(2.9 * S), pid=7, child_pid=8),
        Exec(ts_ns=int(2.95 * S), pid=8, path="/opt/convert", argv=("convert", "a.png"), error=2),
        Exit(ts_ns=int(2.96 * S), pid=8, status=253),
    ]


def text(trace: Trace, diagnosis: Diagnosis | None = None, *, quiet: bool = False) -> str:
    return TerminalReport(width=100, quiet=quiet).render(trace, diagnosis or Diagnosis())


def document(trace: Trace, diagnosis: Diagnosis | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(JsonReport().render(trace, diagnosis or Diagnosis()))
    Draft202012Validator(SCHEMA).validate(made)
    return made


def test_those_of_a_failed_program_read_as_the_golden_file() -> None:
    told = text(run(*failed()))
    assert told[told.index(HEADING) :].partition("\n\n")[0] + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_what_a_healthy_program_is_refused_is_told_for_information() -> None:
    polled = [call(10 + n, "/run/ready", stack=IN_GO) for n in range(1500)]
    trace = run(*polled, call(5, "/proc/kmsg", 1), call(6, "/etc/app.conf"), call(7, "/etc/ld.so.cache"), status=0)
    lines = text(trace).partition(FOR_INFORMATION)[2].splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["1x", "1500x", "by", "…"]
    assert lines[1].endswith("  1001/s")
    assert lines[2].strip() == "by os.Open <- main.main (app, main.go:14)"
    assert lines[-1].strip() == "… and 1 call more"
    assert HEADING not in text(trace)
    assert text(trace, quiet=True) == ""


def test_look_ups_of_a_healthy_run_are_not_told_but_those_of_a_program_that_was_attached_to_are() -> None:
    found_elsewhere = [call(5, "/usr/local/share/x"), call(6, "/opt/share/x")]
    assert FOR_INFORMATION not in text(run(*found_elsewhere, status=0))
    attached = text(run(*found_elsewhere, status=None, attached=7))
    assert attached.index("no problem found while process 7") < attached.index(FOR_INFORMATION)
    assert attached.count("      1x  openat(") == 2


def test_a_finding_takes_its_own_calls_of_the_loader_away() -> None:
    opened = Dlopen(ts_ns=2 * S, pid=7, filename="libx.so", flags=2, handle=0)
    trace = run(opened, attached=7)
    proof = Evidence(2 * S, 7, 'dlopen("libx.so", RTLD_NOW) = NULL', "dlopen")
    finding = Finding("GT308", "shared-library-not-found", Severity.ERROR, "No.", trace.spans[0], [proof], [])
    assert '1x  dlopen("libx.so", RTLD_NOW) = NULL' in text(trace)
    assert "failing calls" not in text(trace, Diagnosis([finding]))
    assert document(trace, Diagnosis([finding]))["failing_calls"] == []


def test_programs_get_them_ranked() -> None:
    made = document(run(*failed()))
    first, second, *rest = made["failing_calls"]
    assert (first["event"], first["error"], first["relevance"]) == ("exec", "ENOENT", "not_started")
    assert first["text"] == 'execve("/opt/convert", ["convert", "a.png"]) = -1 ENOENT (No such file or directory)'
    assert (second["relevance"], second["count"], second["per_second"]) == ("refused", 30, 15000.0)
    assert [one["function"] for one in second["by"]] == ["os.Open", "main.main"]
    (symbol,) = [one for one in rest if one["event"] == "dlsym"]
    assert (symbol["error"], symbol["relevance"]) == (None, "last")
    assert symbol["text"].endswith("= NULL  ./good.so: undefined symbol: sub")
    (of_ls,) = [one for one in rest if one["process"]["argv"] == ["ls", "/nope"]]
    assert (of_ls["count"], of_ls["processes"]) == (1100, 1100)
    assert made["failing_calls_not_listed"] == {"ranked_lower": 0, "harmless": 1}


def test_the_folders_of_path_are_counted() -> None:
    tried = [Exec(ts_ns=2 * S + n, pid=7, path=f"/{n}/x", argv=("x",), error=2) for n in range(3)]
    (group,) = document(run(*tried, status=127))["failing_calls"]
    assert group["text"] == 'execve("/0/x", ["x"]) = -1 ENOENT (No such file or directory)  nor in 2 other folders'


def test_many_paths_from_one_place_are_one_line() -> None:
    opened = frame("open", "libc")
    told = [call(n, f"/var/{n}", stack=(opened, frame("load", "c")) if n % 2 else (opened,)) for n in range(40)]
    (group,) = document(run(*told))["failing_calls"]
    assert (group["count"], group["other_paths"], group["by_known_of"]) == (40, 39, 20)
    assert group["text"].endswith("  and 39 other paths")
    assert "40x" in text(run(*told))
    assert "as 20 of them show" in " ".join(text(run(*told)).split())


def test_programs_get_so_many_and_the_number_of_the_rest() -> None:
    made = document(run(*(call(n, f"/var/{n}/x", repeat=2) for n in range(MOST + 7))))
    assert len(made["failing_calls"]) == MOST
    assert made["failing_calls_not_listed"]["ranked_lower"] == 14


def test_programs_get_the_crash() -> None:
    fault = {"signal": 11, "code": 1, "access": "read", "ip": 0x401208, "stack": (frame("deref", "c"),)}
    signal = Signal(ts_ns=2 * S, pid=7, tid=9, handled=True, **fault)  # type: ignore[arg-type]
    said = Output(ts_ns=2 * S + 5, pid=7, text="SIGSEGV: segmentation violation\n")
    (crash,) = document(run(call(500, "/etc/app.conf", tid=9), signal, said, status=2))["crashes"]
    assert (crash["name"], crash["code"], crash["address"]) == ("SIGSEGV", "SEGV_MAPERR", "0x0")
    assert crash["access"] == "read"
    assert crash["meaning"] == "a NULL pointer was dereferenced"
    assert (crash["process"]["pid"], crash["tid"], crash["sender"]) == (7, 9, None)
    assert crash["stack"] == [
        {
            "function": "deref",
            "offset": 0,
            "module": "/src/app",
            "address": "0x0",
            "ip": "0x5",
            "origin": "c",
            "file": None,
            "line": None,
        }
    ]
    assert [(one["event"], one["text"].split("(")[0]) for one in crash["last_calls"]] == [("syscall_error", "openat")]


def test_a_signal_that_somebody_sent_has_a_sender_and_no_address() -> None:
    sent = Signal(ts_ns=2 * S, pid=7, tid=7, signal=11, sender=4711)
    killed = Exit(ts_ns=3 * S, pid=7, signal=11)
    (crash,) = document(run(sent, killed, status=None))["crashes"]
    assert (crash["address"], crash["sender"], crash["code"]) == (None, 4711, "SI_USER")


def test_builds_have_neither() -> None:
    trace = run(call(5, "/etc/app.conf"))
    trace.header.running = False
    made = document(trace)
    assert (made["crashes"], made["failing_calls"]) == ([], [])
    assert made["failing_calls_not_listed"] == {"ranked_lower": 0, "harmless": 0}
