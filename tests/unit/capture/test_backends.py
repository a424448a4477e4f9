"""What "auto" does where a source turns out not to work: the next one, as long as nothing has run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture import backends, privileges, run
from gotrace.capture.backends import record_by
from gotrace.errors import CaptureError, CommandError, IdentityError, NotPermittedError
from gotrace.sources import choose
from gotrace.sources.base import Lack
from tests.unit.capture.test_run import FakeCapture, FakeSource


class Named(FakeSource):
    """A source of the name it was given."""

    def __init__(self, name: str, capture: FakeCapture) -> None:
        super().__init__(capture)
        self.name = name


class Refuses(FakeCapture):
    """Cannot attach."""

    def attach(self, meanwhile: Callable[[], None] | None = None) -> None:
        raise NotPermittedError("the kernel says no", "ask it")


class BadHook(FakeCapture):
    """Fails in the child, when the gate is open already."""

    def child_hook(self) -> None:
        raise OSError(1, "no")


class BreaksAtTheEnd(FakeCapture):
    """Fails once the command has run."""

    def stop(self) -> Any:
        raise CaptureError("the end is missing")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def sources(monkeypatch: pytest.MonkeyPatch, **captures: FakeCapture) -> None:
    """The machine has these; one without a capture lacks something."""

    class Lacking(FakeSource):
        def missing(self, *, sudo: bool = False) -> list[Lack]:
            return [Lack("it is not there", "install it")]

    def source_named(name: str) -> FakeSource:
        return Named(name, captures[name]) if name in captures else Lacking(FakeCapture())

    monkeypatch.setattr(choose, "source_named", source_named)


def counted(tmp_path: Path) -> list[str]:
    return ["sh", "-c", f"echo ran >>{tmp_path}/ran"]


@pytest.mark.parametrize("refuses", [Refuses, BadHook])
def test_the_next_source_takes_over_and_the_recording_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refuses: type[FakeCapture]
) -> None:
    sources(monkeypatch, ebpf=refuses(), ptrace=FakeCapture())
    recorded = record_by("auto", counted(tmp_path), probe=False)
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert recorded.outcome.exit == 0
    why = "the kernel says no" if refuses is Refuses else "the child could not present itself to the tracer"
    assert recorded.header.degraded[0].startswith(f"watched by ptrace, not eBPF: {why}")
    assert recorded.header.degraded[1:] == ("no i386 calls here",)


def test_where_none_is_left_all_say_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources(monkeypatch, ebpf=Refuses(), ptrace=Refuses())
    with pytest.raises(CaptureError) as caught:
        record_by("auto", counted(tmp_path), probe=False)
    assert caught.value.message == (
        "nothing can watch a command here; "
        "eBPF: the kernel says no; ptrace: the kernel says no; the process connector: it is not there"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("backend", "sudo"), [("ebpf", False), ("auto", True)])
def test_what_was_asked_for_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str, *, sudo: bool
) -> None:
    sources(monkeypatch, ebpf=Refuses(), ptrace=FakeCapture())
    with pytest.raises(NotPermittedError, match=r"^the kernel says no$"):
        record_by(backend, counted(tmp_path), sudo=sudo, probe=False)
    assert not (tmp_path / "ran").exists()


def test_a_command_that_has_run_is_never_run_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources(monkeypatch, ebpf=BreaksAtTheEnd(), ptrace=FakeCapture())
    recorded = record_by("auto", counted(tmp_path), probe=False)
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert "the end is missing" in recorded.header.degraded[-1]


def test_a_command_that_is_not_there_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sources(monkeypatch, ebpf=FakeCapture(), ptrace=FakeCapture())
    with pytest.raises(CommandError, match="not found"):
        record_by("auto", ["no-such-command"], probe=False)


def test_who_we_cannot_become_is_no_question_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def become(who: object) -> None:
        tried.append(who)
        raise IdentityError("cannot become ada")

    sources(monkeypatch, ebpf=FakeCapture(), ptrace=FakeCapture())
    monkeypatch.setattr(privileges, "become", become)
    monkeypatch.setattr(privileges, "found_only_in_users_path", lambda _: None)
    ada = privileges.Invoker("ada", 1234, 1234, "/home/ada", "/bin/sh")
    with pytest.raises(IdentityError, match=r"^cannot become ada$"):
        record_by("auto", ["true"], become=ada, probe=False)
    assert tried == [ada]


def test_all_else_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def record(argv: list[str], **options: Any) -> None:
        asked.update(options, argv=argv)

    sources(monkeypatch, ebpf=FakeCapture())
    monkeypatch.setattr(run, "record", record)
    backends.record_by("auto", ["true"], sudo=True, probe=False, cwd="/")
    source = asked.pop("source")
    assert source.name == "ebpf"
    assert asked == {"argv": ["true"], "sudo": True, "notes": (), "probe": False, "cwd": "/"}
