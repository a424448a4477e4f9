"""System calls tried on the real kernel: what it answers, which functions it has, and what a filter makes of it."""

from __future__ import annotations

import json
import subprocess
import sys

from gotrace.host.kernel_calls import HARMLESS, tried
from gotrace.sources import syscalls

NUMBERS = {call.name: call.number for call in syscalls.table() if call.abi == "x86_64"}
_UNDER_A_FILTER = """
import json, sys
from gotrace.host.kernel_calls import tried
from gotrace.scenario.refuse import refuse
refused, calls = json.loads(sys.argv[1])
refuse({int(number): error for number, error in refused.items()})
print(json.dumps({name: list(call) for name, call in tried(calls).items()}))
"""


def under_a_filter(refused: dict[int, int], *names: str) -> dict[str, list[object]]:
    told = json.dumps([refused, {name: NUMBERS[name] for name in names}])
    done = subprocess.run(
        [sys.executable, "-c", _UNDER_A_FILTER, told], capture_output=True, text=True, check=True, timeout=60
    )
    return dict(json.loads(done.stdout))


def test_no_call_is_made_that_does_something() -> None:
    """Each is refused, by what an argument is: none succeeds, and none is unknown under that number."""
    answers = tried({name: NUMBERS[name] for name in HARMLESS})
    assert {name for name, call in answers.items() if call.answer in ("ok", "", "killed")} == set()


def test_what_every_kernel_has() -> None:
    found = tried({name: NUMBERS[name] for name in ("epoll_create1", "pipe2", "openat")})
    assert found["epoll_create1"].answer == "EINVAL"
    assert found["openat"].answer == ""
    assert {call.listed for call in found.values()} in ({True}, {None})


def test_a_filters_answer_is_told_apart_by_the_list_of_functions() -> None:
    found = under_a_filter({NUMBERS["epoll_create1"]: 38, NUMBERS["statx"]: 1}, "epoll_create1", "statx", "eventfd2")
    assert [found[name][0] for name in ("epoll_create1", "statx", "eventfd2")] == ["ENOSYS", "EPERM", "EINVAL"]
    assert found["epoll_create1"][1] in (True, None)
