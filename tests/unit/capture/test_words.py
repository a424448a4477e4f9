"""Of a running program's stderr a recording keeps what its runtime and its loader say, and nothing of its log."""

from __future__ import annotations

import pytest

from gotrace.capture.live import Live
from gotrace.capture.words import Words
from gotrace.events.model import Exec, Exit, Output


def said(*pieces: str, pid: int = 7) -> str:
    """What is kept of a process that wrote these pieces and ended."""
    words = Words()
    kept = [one for piece in pieces for one in words.take(Output(ts_ns=1, pid=pid, text=piece))]
    return "".join(event.text for event in [*kept, *words.rest(pid)])


@pytest.mark.parametrize(
    "line",
    [
        "fatal error: runtime: no plugin module data\n",
        "panic: runtime error: cgo argument has Go pointer to unpinned Go pointer\n",
        "runtime/cgo: pthread_create failed: Operation not permitted\n",
        "SIGSEGV: segmentation violation\n",
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x0]\n",
        "./app: error while loading shared libraries: libfoo.so: cannot open shared object file: No such file\n",
        "dlopen: Dynamic loading not supported\n",
        "./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by ./app)\n",
        "Error relocating /lib/libssl.so.3: __sprintf_chk: symbol not found\n",
        "app: symbol lookup error: lib/libfoo.so: undefined symbol: missing_v2\n",
        "free(): double free detected in tcache 2\n",
        "st: dl-call-libc-early-init.c:37: _dl_call_libc_early_init: Assertion `sym != NULL' failed.\n",
        "2026/11/26 10:00:00 Get: tls: failed to verify certificate: x509: certificate signed by unknown authority\n",
        "dial tcp: lookup db on 10.0.0.2: read: connection refused\n",
        "lookup db.example.com: Temporary failure in name resolution\n",
        "user: Current requires cgo or $USER set in environment\n",
        "2026/11/26 10:00:00 user: unknown userid 1000\n",
        "2026/11/26 10:00:00 listen tcp 127.0.0.1:8080: bind: permission denied\n",
        "listen tcp :18099: bind: address already in use\n",
        "dial: dial tcp 127.0.0.1:1: connect: connection refused\n",
        "dial tcp [2001:db8::1]:443: connect: network is unreachable\n",
        "dial tcp 10.255.255.1:80: i/o timeout\n",
        "dial unix /run/docker.sock: connect: no such file or directory\n",
        "cannot serve: bind: address already in use\n",
        "2026/11/26 10:00:00 convert: fork/exec /opt/tools/convert: no such file or directory\n",
        'exec: "convert": executable file not found in $PATH\n',
    ],
)
def test_words_of_the_runtime_and_the_loader_are_kept(line: str) -> None:
    assert said(line) == line


def test_a_log_is_not_kept() -> None:
    assert said("2026/11/26 10:00:00 user=alice paid 12.00\n", "GET /account?id=7 200\n") == ""
    assert said("listen tcp :8080 for alice\n", "dial alice: connect\n", "connect: alice\n", "reconnect: done\n") == ""


def test_lines_are_put_together_from_the_pieces_that_go_writes() -> None:
    assert said("user=alice\nfatal ", "error: ", "all goroutines are asleep", "\nuser=", "bob\n") == (
        "fatal error: all goroutines are asleep\n"
    )


def test_the_last_line_needs_no_end() -> None:
    assert said("fatal error: out of memory") == "fatal error: out of memory"


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    words = Words()
    assert words.take(Output(ts_ns=1, pid=7, text="fatal error: " + "x" * 5000))


def test_a_build_keeps_what_its_tools_say_and_a_run_both() -> None:
    events = [
        Exec(ts_ns=1, pid=7, path="/usr/bin/gcc", argv=("gcc",)),
        Exec(ts_ns=1, pid=8, path="/src/app", argv=("./app",)),
        Output(ts_ns=2, pid=7, text="x.c:1: error: no\n"),
        Output(ts_ns=3, pid=8, text="user=alice\n"),
        Output(ts_ns=4, pid=8, text="fatal error: no\n"),
        Exit(ts_ns=5, pid=8, status=2),
    ]
    build, run = Live(), Live(running=True)
    assert [e.text for e in build.take(events) if isinstance(e, Output)] == ["x.c:1: error: no\n"]
    assert [e.text for e in run.take(events) if isinstance(e, Output)] == ["x.c:1: error: no\n", "fatal error: no\n"]
    assert (build.dropped, run.dropped) == (2, 1)
