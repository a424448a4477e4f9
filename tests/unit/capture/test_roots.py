"""Other roots that build tools ran in: which mount namespaces may be kept, and that of one's own nothing is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gotrace.capture.facts.processes import Processes
from gotrace.capture.roots import OURS, Namespaces, Root, is_free, root_of
from gotrace.events.model import Exec, Exit, KnownEvent
from gotrace.events.tools import Role

OWN = Path("/proc/self/mountinfo").read_text()


def mounted(device: str, kind: str) -> str:
    return f"{OWN}900 20 {device} / /mnt rw,relatime shared:1 - {kind} none rw\n"


@pytest.mark.parametrize(
    ("device", "kind", "free"),
    [
        ("0:999", "tmpfs", True),
        ("0:999", "overlay", True),
        ("0:999", "fuse.sshfs", False),
        ("0:999", "nfs4", False),
        ("0:999", "btrfs", False),
        ("253:77", "ext4", False),
    ],
)
def test_a_namespace_that_somebody_waits_for_is_let_go(device: str, kind: str, free: bool) -> None:
    assert is_free(OWN)
    assert is_free(mounted(device, kind)) is free


def test_our_own_namespace_and_programs_that_are_no_tools_are_not_kept() -> None:
    before = set(Path("/proc/self/fd").iterdir())
    namespaces = Namespaces()
    namespaces.see(
        [
            Exec(ts_ns=1, pid=os.getpid(), path="/usr/bin/gcc", argv=("gcc",)),
            Exec(ts_ns=1, pid=os.getpid(), path="/bin/sh", argv=("sh",), mount_namespace=7),
            Exec(ts_ns=1, pid=os.getpid(), path="/usr/bin/gcc", argv=("gcc",), mount_namespace=7),
        ]
    )

    assert set(Path("/proc/self/fd").iterdir()) == before
    with pytest.raises(OSError, match="gone before gotrace could look"):
        namespaces.enter(Root(7))


def test_what_ran_below_one_root_is_told_apart() -> None:
    events: list[KnownEvent] = [
        Exec(ts_ns=1, pid=5, path="/usr/bin/gcc", argv=("gcc",)),
        Exec(ts_ns=2, pid=5, path="/usr/bin/gcc", argv=("gcc",), root="/jail"),
        Exit(ts_ns=3, pid=5, status=1),
        Exec(ts_ns=4, pid=6, path="/bin/sh", argv=("sh",), root="/nobody's"),
        Exec(ts_ns=5, pid=7, path="/usr/bin/ld", argv=("ld",), mount_namespace=9),
    ]
    processes = Processes(events)
    jail, container = Root(0, "/jail"), Root(9)

    assert processes.other_roots() == [jail, container]
    assert len(list(processes.failed(Role.CC))) == 1
    assert [len(list(processes.within(root).failed(Role.CC))) for root in (OURS, jail, container)] == [0, 1, 0]
    assert [len(list(processes.within(root).images(Role.CC, Role.LD))) for root in (OURS, jail, container)] == [1, 1, 1]
    assert [root.is_ours for root in (OURS, jail, container)] == [True, False, False]
    assert root_of(Exec(ts_ns=1, pid=1, path="x")) == OURS
    assert [root.kind for root in (jail, container, Root(9, "/jail"))] == [
        "another root folder (/jail)",
        "another mount namespace",
        "another root folder of another mount namespace (/jail)",
    ]
