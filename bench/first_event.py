"""How soon after its start an attached gotrace has its first event, of a program in which something happens always."""

from __future__ import annotations

import subprocess
import time
from typing import Final

from bench.attaching import OF_BACKENDS, attached
from bench.builds import Say
from bench.stats import Estimate, estimate
from bench.workloads import Bench
from gotrace.events.model import Dlopen, SyscallError
from gotrace.events.recording import read_recording

_PROGRAM: Final = """\
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	for (;;) {
		access("/nowhere/at/all", F_OK);
		dlopen("/nowhere/at/all.so", RTLD_NOW);
		usleep(1000);
	}
}
"""


def first_event(bench: Bench, tracer: str, rounds: int, say: Say) -> Estimate:
    """Seconds from gotrace's start to the first event that it saw happen."""
    program = bench.scratch / "busy"
    if not program.exists():
        subprocess.run(["gcc", "-x", "c", "-o", program, "-"], input=_PROGRAM, text=True, check=True)
    values = []
    with subprocess.Popen([program]) as process:
        try:
            for _ in range(rounds):
                values.append(_once(bench, tracer, process.pid))
                say(f"{tracer}, until its first event: {values[-1]:.2f} s")
        finally:
            process.kill()
    return estimate(values)


def _once(bench: Bench, tracer: str, pid: int) -> float:
    recording = bench.scratch / "attached.gotrace"
    began = time.monotonic_ns()
    with attached(*OF_BACKENDS[tracer], "-o", str(recording))(pid):
        time.sleep(0.3)
    events = read_recording(recording).events
    return (min(one.ts_ns for one in events if isinstance(one, SyscallError | Dlopen)) - began) / 10**9
