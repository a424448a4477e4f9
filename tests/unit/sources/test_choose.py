"""Which source, and which decoder."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gotrace.errors import CaptureError, NotPermittedError, RecordingError, UsageError
from gotrace.sources.base import Lack
from gotrace.sources.choose import BACKENDS, SOURCES, TITLES, choose, decoder, source_named
from tests.unit.sources.ebpf import raw
from tests.unit.sources.fakes import NO_ADMIN, NO_BCC, NO_RIGHTS, NO_YAMA, Lacks, here


@pytest.mark.parametrize(
    ("lacks", "chosen", "notes"),
    [
        ({}, "ebpf", ()),
        ({"ptrace": [NO_YAMA], "netlink": [NO_ADMIN]}, "ebpf", ()),
        (
            {"ebpf": [NO_RIGHTS]},
            "ptrace",
            ("watched by ptrace, not eBPF: no CAP_BPF and CAP_PERFMON (try --sudo)",),
        ),
        (
            {"ebpf": [NO_RIGHTS, NO_BCC]},
            "ptrace",
            ("watched by ptrace, not eBPF: no CAP_BPF and CAP_PERFMON, BCC is not installed",),
        ),
        (
            {"ebpf": [NO_BCC], "ptrace": [NO_YAMA]},
            "netlink",
            ("watched by the process connector, not eBPF: BCC is not installed, not ptrace: Yama forbids it",),
        ),
    ],
)
def test_auto_takes_the_best_that_works_and_says_why_no_better_one(
    monkeypatch: pytest.MonkeyPatch, lacks: Lacks, chosen: str, notes: tuple[str, ...]
) -> None:
    made = here(monkeypatch, lacks)
    choice = choose()
    assert choice.source.name == chosen
    assert choice.notes == notes
    assert made == list(SOURCES[: SOURCES.index(chosen) + 1])  # what is not needed is not even imported


def test_a_lack_that_is_not_fatal_keeps_nothing_from_being_used(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [Lack("no i386 calls", "another kernel", fatal=False)]})
    assert choose().source.name == "ebpf"


def test_sudo_is_named_only_where_it_is_there_and_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for uid, sudo in ((1000, False), (0, True)):  # in a container root has no more by sudo
        here(monkeypatch, {"ebpf": [NO_RIGHTS]}, uid=uid, sudo=sudo)
        assert choose().notes == ("watched by ptrace, not eBPF: no CAP_BPF and CAP_PERFMON",)


def test_with_sudo_only_what_sudo_cannot_give_is_a_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [NO_RIGHTS]})
    assert choose(sudo=True).source.name == "ebpf"
    here(monkeypatch, {"ebpf": [NO_RIGHTS, NO_BCC]})
    choice = choose(sudo=True)
    assert choice.source.name == "ptrace"
    assert choice.notes == ("watched by ptrace, not eBPF: BCC is not installed",)


def test_what_was_tried_and_refused_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"netlink": [NO_ADMIN]})
    choice = choose(refused={"ebpf": "the kernel refuses it"})
    assert choice.source.name == "ptrace"
    assert choice.notes == ("watched by ptrace, not eBPF: the kernel refuses it",)
    with pytest.raises(CaptureError) as caught:
        choose(refused={"ebpf": "the kernel refuses it", "ptrace": "so it does"})
    assert caught.value.message == (
        "nothing can watch a command here; "
        "eBPF: the kernel refuses it; ptrace: so it does; the process connector: no CAP_NET_ADMIN"
    )


def test_where_nothing_works_each_source_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [NO_RIGHTS], "ptrace": [NO_YAMA], "netlink": [NO_ADMIN]})
    with pytest.raises(NotPermittedError) as caught:
        choose()
    assert caught.value.message == (
        "nothing can watch a command here; eBPF: no CAP_BPF and CAP_PERFMON (try --sudo); ptrace: Yama forbids it; "
        "the process connector: no CAP_NET_ADMIN"
    )
    assert caught.value.remedy == (
        "for eBPF: add --sudo, or run as root; for ptrace: sysctl kernel.yama.ptrace_scope=1; "
        "for the process connector: run as root"
    )


@pytest.mark.parametrize("backend", SOURCES)
def test_what_is_asked_for_is_taken_or_refused_and_nothing_else_looked_at(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    made = here(monkeypatch, {})
    choice = choose(backend)
    assert (choice.source.name, choice.notes, made) == (backend, (), [backend])
    here(monkeypatch, {backend: [NO_BCC, NO_ADMIN]})
    with pytest.raises(CaptureError) as caught:
        choose(backend)
    assert not isinstance(caught.value, NotPermittedError)
    assert caught.value.message == f"{TITLES[backend]} cannot be used: BCC is not installed, no CAP_NET_ADMIN"
    assert caught.value.remedy == "apt-get install python3-bpfcc; run as root"


def test_only_a_privilege_that_is_missing_is_not_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, {"ebpf": [NO_RIGHTS]})
    with pytest.raises(NotPermittedError, match="eBPF cannot be used: no CAP_BPF and CAP_PERFMON"):
        choose("ebpf")


@pytest.mark.parametrize("backend", ["ptrace", "netlink"])
def test_sudo_is_for_ebpf_only(backend: str) -> None:
    with pytest.raises(UsageError, match=f"--sudo does not go with --backend {backend}"):
        choose(backend, sudo=True)


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no backend named 'magic'") as caught:
        choose("magic")
    assert caught.value.remedy == "use one of: auto, ebpf, ptrace, netlink"


def test_the_command_line_offers_every_backend() -> None:
    from gotrace.cli.options import Backend

    assert tuple(Backend) == BACKENDS


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_the_name_by_which_it_is_chosen(name: str) -> None:
    assert source_named(name).name == name


def test_choosing_imports_no_source_before_it_is_needed() -> None:
    program = (
        "import sys, gotrace.sources.choose;"
        "print([name for name in sys.modules if name.startswith('gotrace.sources.')"
        " and name.partition('sources.')[2] not in ('base', 'choose')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_decoder_is_made_again_from_what_its_capture_told() -> None:
    assert len(decoder(raw.INFO).decode(raw.fork(1, 7, 8))) == 1


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"source": "another"},
        {"source": "ebpf"},
        {"source": "ptrace"},
        {"source": "ptrace", "format": 4711},
        {"source": ["ptrace"]},
        {**raw.INFO, "layouts": {}},
        {**raw.INFO, "layouts": 5},
        {**raw.INFO, "constants": {}},
        {**raw.INFO, "layouts": {**raw.INFO["layouts"], "exit_record": {"members": []}}},
    ],
)
def test_a_description_that_makes_no_sense_is_one_clear_error(info: dict[str, Any]) -> None:
    with pytest.raises(RecordingError):
        decoder(info)
