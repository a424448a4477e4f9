"""From what the whole machine does to what one tree of processes does."""

from __future__ import annotations

import pytest

from gotrace.sources.netlink.messages import Acknowledged, Ended, Executed, Forked, Message
from gotrace.sources.netlink.records import ExecRecord, ExitRecord, ForkRecord, Record
from gotrace.sources.netlink.tree import Tree

ROOT, CHILD, GRANDCHILD, SHELL, STRANGER = 100, 101, 102, 50, 900
KILLED, DUMPED = 11, 11 | 0x80


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    tree.plant(ROOT)
    return tree


def take(tree: Tree, *messages: Message) -> list[Record]:
    return [record for message in messages if (record := tree.take(message)) is not None]


def forked(ts: int, parent: int, child: int) -> Forked:
    return Forked(ts, parent, parent, child, child)


def new_thread(ts: int, pid: int, tid: int) -> Forked:
    return Forked(ts, SHELL, SHELL, tid, pid)  # the kernel names the parent of the whole process


def test_descendants_count_and_strangers_do_not(tree: Tree) -> None:
    records = take(
        tree,
        forked(1, STRANGER, 901),
        forked(2, ROOT, CHILD),
        Executed(3, 901, 901),
        forked(4, CHILD, GRANDCHILD),
        Executed(5, GRANDCHILD, GRANDCHILD),
        Ended(6, CHILD, CHILD, 0),
        Ended(7, 901, 901, 0),
        Ended(8, GRANDCHILD, GRANDCHILD, 2 << 8),
        Acknowledged(1, 0),
    )

    assert records == [
        ForkRecord(2, ROOT, ROOT, CHILD),
        ForkRecord(4, CHILD, CHILD, GRANDCHILD),
        ExecRecord(5, GRANDCHILD, GRANDCHILD),
        ExitRecord(6, CHILD, CHILD, 0),
        ExitRecord(8, GRANDCHILD, GRANDCHILD, 2 << 8),
    ]
    assert list(tree.led_by_themselves()) == [ROOT]


def test_the_root_stays_where_its_own_birth_is_told_late(tree: Tree) -> None:
    assert take(tree, forked(1, SHELL, ROOT), Executed(2, ROOT, ROOT)) == [ExecRecord(2, ROOT, ROOT)]


def test_a_process_ends_with_its_last_thread_whichever_that_is(tree: Tree) -> None:
    assert take(tree, new_thread(1, ROOT, 110), new_thread(2, ROOT, 111), Ended(3, ROOT, ROOT, 0)) == []
    assert list(tree.led_by_themselves()) == []
    assert take(tree, Ended(4, 110, ROOT, 0)) == []
    assert take(tree, Ended(5, 111, ROOT, 5 << 8)) == [ExitRecord(5, ROOT, 111, 5 << 8)]


def test_a_thread_may_fork_a_process(tree: Tree) -> None:
    take(tree, new_thread(1, ROOT, 110))
    assert take(tree, Forked(2, 110, ROOT, CHILD, CHILD)) == [ForkRecord(2, ROOT, 110, CHILD)]


def test_threads_of_strangers_are_nothing(tree: Tree) -> None:
    assert take(tree, new_thread(1, STRANGER, 901), Ended(2, 901, STRANGER, 0)) == []


def test_an_exec_leaves_one_thread_whose_number_is_that_of_the_process(tree: Tree) -> None:
    records = take(
        tree,
        new_thread(1, ROOT, 110),
        new_thread(2, ROOT, 111),
        Ended(3, ROOT, ROOT, KILLED),
        Executed(5, ROOT, ROOT),
        Ended(6, 111, ROOT, KILLED),  # comes late: the exec did not wait for the message
        Ended(4, ROOT, ROOT, KILLED),  # of the former first thread, later still
    )

    assert records == [ExecRecord(5, ROOT, ROOT)]
    assert take(tree, Ended(7, ROOT, ROOT, 0)) == [ExitRecord(7, ROOT, ROOT, 0)]


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (DUMPED, KILLED, DUMPED),
        (KILLED, DUMPED, DUMPED),
        (KILLED, KILLED, KILLED),
        (DUMPED, 3 << 8, 3 << 8),
    ],
)
def test_core_is_told_where_any_thread_of_that_death_knows(tree: Tree, first: int, last: int, told: int) -> None:
    take(tree, new_thread(1, ROOT, 110), Ended(2, 110, ROOT, first))
    assert take(tree, Ended(3, ROOT, ROOT, last)) == [ExitRecord(3, ROOT, ROOT, told)]


def test_a_number_that_a_stranger_got_is_followed_no_longer(tree: Tree) -> None:
    take(tree, forked(1, ROOT, CHILD))  # and the message of its end is lost
    assert take(tree, forked(2, STRANGER, CHILD), Executed(3, CHILD, CHILD), Ended(4, CHILD, CHILD, 0)) == []
