"""What real processes are allowed, read while they live."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gotrace.capture.confinement import Confinements
from gotrace.events.model import Exec, Exit, SyscallError

_FILTERED = """
import resource, sys
from gotrace.scenario.refuse import refuse
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
refuse({1000: 1})
print("ready", flush=True)
sys.stdin.read()
"""


def read_while_it_lives(command: Sequence[str], *, filters_of_ours: int = 0) -> dict[str, object]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        confinements = Confinements(filters_of_ours=filters_of_ours)
        confinements.see([Exec(ts_ns=time.monotonic_ns(), pid=process.pid, path="/x")])
        confinements.look(time.monotonic_ns())
        process.communicate("")
    confinements.look(time.monotonic_ns())  # it is gone: nothing is forgotten
    end = Exit(ts_ns=time.monotonic_ns(), pid=process.pid, status=1)
    (fact,) = confinements.facts([end], time.monotonic_ns())
    assert (fact.name, fact.pid) == ("confinement", process.pid)
    return fact.data


def test_a_filter_and_a_limit_that_a_program_gave_itself() -> None:
    data = read_while_it_lives([sys.executable, "-c", _FILTERED])
    assert data["seen"] is True
    assert data["seccomp"] == "filter"
    limits = data["limits"]
    assert isinstance(limits, dict)
    assert limits["nofile"] == [64, 128]


def test_a_filter_by_which_we_watch_is_none() -> None:
    (inherited,) = re.findall(r"^Seccomp_filters:\t(\d+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    data = read_while_it_lives([sys.executable, "-c", _FILTERED], filters_of_ours=1 + int(inherited))
    assert (data["seccomp"], data["filters"]) == ("off", 0)


def test_of_a_process_that_was_never_read_what_it_inherited() -> None:
    end = Exit(ts_ns=1, pid=999_999_999, status=2)
    (fact,) = Confinements().facts([end], 2)
    assert fact.data["seen"] is False
    assert {"capabilities", "limits", "seccomp", "uid"} <= fact.data.keys()


def test_processes_that_end_well_are_not_told_of() -> None:
    assert Confinements().facts([Exit(ts_ns=1, pid=1, status=0)], 2) == []


def test_a_process_that_met_its_limit_of_open_files_is_told_while_it_lives() -> None:
    call = SyscallError(ts_ns=time.monotonic_ns(), pid=os.getpid(), syscall="accept4", errno=errno.EMFILE)
    confinements = Confinements()
    confinements.see([Exec(ts_ns=time.monotonic_ns(), pid=os.getpid(), path="/x")])
    confinements.look(time.monotonic_ns())
    (fact,) = confinements.facts([call], time.monotonic_ns())
    assert fact.data["seen"]
    assert fact.data["limits"]["nofile"] == list(resource.getrlimit(resource.RLIMIT_NOFILE))
