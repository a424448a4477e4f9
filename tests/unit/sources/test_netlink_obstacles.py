"""Each reason for which the process connector does not work has words and a remedy."""

from __future__ import annotations

import errno
import os
from typing import Self

import pytest

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.sources.base import Target
from gotrace.sources.netlink import NetlinkSource, obstacles, source


class FakeConnector:
    """One that is refused with an errno, or answers so; None is silence."""

    refused = 0
    answer: int | None = 0

    def __init__(self) -> None:
        self.closed = False
        if self.refused:
            raise OSError(self.refused, os.strerror(self.refused))

    def acknowledged(self, timeout_s: float) -> int | None:
        return self.answer

    def close(self) -> None:
        self.closed = True

    @classmethod
    def that(cls, *, refused: int = 0, answer: int | None = 0) -> type[Self]:
        return type("Connector", (cls,), {"refused": refused, "answer": answer})


@pytest.mark.parametrize(
    ("refused", "words", "privilege"),
    [
        (errno.EPERM, "no CAP_NET_ADMIN", True),
        (errno.ECONNREFUSED, "network namespace", False),
        (errno.EPROTONOSUPPORT, "no process connector", False),
        (errno.EMFILE, "Too many open files", False),
    ],
)
def test_a_refusal_is_one_lack(monkeypatch: pytest.MonkeyPatch, refused: int, words: str, privilege: bool) -> None:
    monkeypatch.setattr(obstacles, "Connector", FakeConnector.that(refused=refused))
    (lack,) = NetlinkSource().missing()
    assert words in lack.what
    assert lack.remedy
    assert (lack.fatal, lack.privilege) == (True, privilege)


@pytest.mark.parametrize(
    ("inner", "capabilities", "words"),
    [
        ({"pid", "user"}, 0, "PID namespace"),
        ({"user"}, 1 << 12, "user namespace"),
        (set(), 0, "no CAP_NET_ADMIN"),
        (set(), 1 << 12, "no process connector"),
    ],
)
def test_silence_has_reasons_too(
    monkeypatch: pytest.MonkeyPatch, inner: set[str], capabilities: int, words: str
) -> None:
    monkeypatch.setattr(obstacles, "Connector", FakeConnector.that(answer=None))
    monkeypatch.setattr(obstacles, "_in_namespace_of_its_own", inner.__contains__)
    monkeypatch.setattr(obstacles, "holds", lambda status, capability: bool(capabilities >> capability & 1))
    (lack,) = NetlinkSource().missing()
    assert words in lack.what
    assert lack.remedy


def test_where_the_kernel_agrees_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstacles, "Connector", FakeConnector.that())
    assert NetlinkSource().missing() == []


@pytest.mark.parametrize(
    ("refused", "answer", "kind"),
    [
        (errno.EPERM, 0, NotPermittedError),
        (errno.ECONNREFUSED, 0, CaptureError),
        (0, errno.EPERM, NotPermittedError),
    ],
)
def test_a_capture_says_the_same(
    monkeypatch: pytest.MonkeyPatch, refused: int, answer: int, kind: type[CaptureError]
) -> None:
    monkeypatch.setattr(source, "Connector", FakeConnector.that(refused=refused, answer=answer))
    with (
        pytest.raises(CaptureError, match="process connector cannot be used") as raised,
        NetlinkSource().open(Target(1)) as capture,
    ):
        capture.attach()
    assert type(raised.value) is kind
    assert raised.value.remedy


def test_a_capture_that_was_not_entered_cannot_attach() -> None:
    capture = NetlinkSource().open(Target(1))
    with pytest.raises(CaptureError, match="not entered"):
        capture.attach()
    assert (capture.stop(), list(capture.batches())) == (([], {}), [])
