"""A collector that was started outside, and whose connection gotrace was given."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gotrace.errors import CaptureError
from gotrace.sources.ebpf.launch import HANDED_OVER, handed_over


def test_the_connection_is_taken_once_and_kept_from_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(ours.fileno(), True)
    monkeypatch.setenv(HANDED_OVER, str(ours.detach()))
    collector = handed_over()
    assert collector is not None
    assert HANDED_OVER not in os.environ
    assert handed_over() is None
    with theirs, collector.connected() as connection:
        assert not connection.get_inheritable()
        connection.send(b"here")
        assert theirs.recv(9) == b"here"
    collector.close()


@pytest.mark.parametrize("descriptor", ["", "no", "-1", "99999999", "99999999999999999999"])
def test_what_is_no_descriptor_is_refused(monkeypatch: pytest.MonkeyPatch, descriptor: str) -> None:
    monkeypatch.setenv(HANDED_OVER, descriptor)
    with pytest.raises(CaptureError, match=f"{HANDED_OVER}={descriptor}: no connection to a collector"):
        handed_over()


def test_nor_is_a_file_or_another_socket_which_stay_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file, socket.socket() as other:
        for one in (file.fileno(), other.fileno()):
            monkeypatch.setenv(HANDED_OVER, str(one))
            with pytest.raises(CaptureError, match="no connection"):
                handed_over()
            os.fstat(one)
