"""What it costs a Go HTTP server under full load to be attached to, beside strace; and that it never notices."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.attaching import ALL_CALLS, EBPF, EMPTY, PTRACE, STRACE, TRACERS
from bench.builds import Say
from bench.first_event import first_event
from bench.rounds import in_rounds
from bench.stats import Estimate, estimate, paired_ratios
from bench.table import markdown, yes
from bench.workloads import Bench

BARS = {EBPF: 0.95, PTRACE: 0.78}
SECONDS, CONNECTIONS = 2, 50
_SERVER = """\
package main

import (
	"fmt"
	"net"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, nil))
}
"""


class Load(NamedTuple):
    """What wrk(1) says of one run."""

    requests: float
    """A second."""
    failed: int
    """Requests without an answer, or with a wrong one."""


class Beside(NamedTuple):
    """One server, attached to, and just before and after that."""

    load: Load
    before: Load
    after: Load

    @property
    def ratio(self) -> float:
        """By not attached."""
        return 2 * self.load.requests / (self.before.requests + self.after.requests)


class Times(NamedTuple):
    """Seconds of one attachment."""

    attached: float
    """From its start until everything is watched."""
    ended: float
    """From ^C until its end, its report written."""


def attachments(bench: Bench, rounds: int, cycles: int, say: Say) -> str:
    """Throughput under each tracer in each round, and many short attachments under load.

    Before and behind each tracer the same server is loaded without one: a machine that has other guests wavers by more
    within a round than a tracer costs.
    """
    for needed in ("wrk", "strace"):
        if shutil.which(needed) is None:
            raise SystemExit(f"bench: {needed} is missing: apt-get install {needed}")
    program = _built(bench)
    loads: dict[str, list[Beside]] = {name: [] for name in TRACERS}
    times: dict[str, list[Times]] = {EBPF: [], PTRACE: []}
    with _server(program) as (pid, address):
        before = _loaded(address)
        for number, name in in_rounds([*TRACERS], rounds, [EBPF]):
            with TRACERS[name](pid) as took:
                load = _loaded(address)
            beside = Beside(load, before, before := _loaded(address))
            say(f"round {number}: {name}: {load.requests:.0f} requests a second ({beside.ratio:.3f})")
            if number >= 0:
                loads[name].append(beside)
            if number >= 0 and name in times and took:
                times[name].append(Times(*took))
    unharmed = {name: _cycles(program, name, cycles, say) for name in (EBPF, PTRACE)}
    first = {name: first_event(bench, name, rounds, say) for name in (EBPF, PTRACE)}
    return _table(loads, rounds) + "\n" + _limits(times, first, unharmed, cycles)


def _built(bench: Bench) -> Path:
    folder = bench.scratch / "server"
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text("module example.org/server\n\ngo 1.21\n")
    (folder / "main.go").write_text(_SERVER)
    subprocess.run(["go", "build", "-o", "server", "."], cwd=folder, env=bench.env, check=True)
    return folder / "server"


@contextmanager
def _server(program: Path) -> Iterator[tuple[int, str]]:
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().strip()
            if process.poll() is not None:
                raise SystemExit("bench: the server did not survive")
        finally:
            process.kill()


def _loaded(address: str, seconds: int = SECONDS) -> Load:
    line = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://{address}/"]
    text = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", text)))
    return Load(float(rate[1]) if rate else 0.0, failed)


def _cycles(program: Path, name: str, cycles: int, say: Say) -> Load:
    """So many attachments, one after the other, while the server is asked all the time."""
    with _server(program) as (pid, address):
        line = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d3600s", f"http://{address}/"]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as wrk:
            for _ in range(cycles):
                with TRACERS[name](pid):
                    time.sleep(0.1)
            wrk.send_signal(signal.SIGINT)
            text, _ = wrk.communicate()
    answers = re.search(r"(\d+) requests in", text)
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", text)))
    say(f"{cycles} times {name}: {answers[1] if answers else 0} requests, {failed} failed")
    return Load(float(answers[1]) if answers else 0.0, failed)


def _table(loads: dict[str, list[Beside]], rounds: int) -> str:
    alone = [one.before.requests for of in loads.values() for one in of]
    failed = sum(one.before.failed for of in loads.values() for one in of)
    rows = [["not attached", f"{estimate(alone).median:,.0f}", "1", "", "", str(failed)]]
    for name, of in loads.items():
        requests = estimate([one.load.requests for one in of])
        ratio = estimate([one.ratio for one in of])
        bar = BARS.get(name)
        met = "" if bar is None else yes(ratio.high >= bar)
        failed = sum(one.load.failed for one in of)
        rows.append([name, f"{requests.median:,.0f}", f"{ratio:.3f}", str(bar or ""), met, str(failed)])
    head = ["attached", "requests a second", "by not attached", "bar", "met", "requests failed"]
    for name, other, bar in ((EBPF, EMPTY, None), (ALL_CALLS, STRACE, 1)):
        ratio = paired_ratios(*([one.ratio for one in loads[which]] for which in (name, other)))
        rows.append(
            [f"{name}, by {other}", "", f"{ratio:.3f}", str(bar or ""), yes(ratio.high >= bar) if bar else "", ""]
        )
    title = f"### A Go HTTP server under load, attached to (wrk, {CONNECTIONS} connections, {rounds} rounds)"
    return f"{title}\n\n{markdown(head, rows)}"


def _limits(times: dict[str, list[Times]], first: dict[str, Estimate], unharmed: dict[str, Load], cycles: int) -> str:
    rows = []
    for name, value in first.items():
        rows.append([f"{name}, until its first event", f"{value:.2f} s", "1.0 s", yes(value.meets(1.0))])
    for name, of in times.items():
        for what, values, bar in (
            ("until attached", [one.attached for one in of], 1.0),
            ("from ^C to its end", [one.ended for one in of], 0.3),
        ):
            taken = estimate(values)
            rows.append([f"{name}, {what}", f"{taken:.2f} s", f"{bar} s", yes(taken.meets(bar))])
    for name, load in unharmed.items():
        met = yes(load.failed == 0 and load.requests > 0)
        what = f"{name}, {cycles} times under load: failed of {load.requests:,.0f} requests"
        rows.append([what, str(load.failed), "0", met])
    return markdown(["what", "measured", "bar", "met"], rows)
