"""What this very machine says about itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.host import kernel, toolchain
from gotrace.host.distribution import distribution, host_facts


@pytest.mark.root("makes a map in this very process")
def test_a_ring_buffer_is_tried_and_dropped_again() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    assert kernel.try_ring_buffer() is None
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_every_lack_comes_with_a_remedy() -> None:
    checks = [*kernel.checks(), *toolchain.checks()]
    assert {"architecture", "privileges", "ring buffer", "kernel BTF", "BCC", "go", "C compiler"} <= {
        check.name for check in checks
    }
    assert [check for check in checks if check.ok is False and check.name != "C compiler" and not check.remedy] == []


def test_a_machine_that_can_trace_names_its_system() -> None:
    assert distribution().id
    assert host_facts()["libc"].startswith(("glibc ", "musl "))
