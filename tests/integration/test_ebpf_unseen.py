"""A program with a C library not seen before: its first dlopen is not missed, and it never stays stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Dlopen, Dlsym
from gotrace.sources.base import Target
from gotrace.sources.ebpf import bpf, following
from gotrace.sources.ebpf.libraries import Libraries, Unseen
from tests.integration.kernel_state import collectors, loaded_programs, wait_until_unloaded
from tests.integration.observing import Observed
from tests.integration.running import Kept, follow

LAUNCHES = int(os.environ.get("GOTRACE_TEST_LAUNCHES", "10"))
"""200 of 200 were complete when this was written."""
PROGRAM = """#include <dlfcn.h>
int main(void) { void *self = dlopen(0, RTLD_NOW); return dlsym(self, "nowhere") != 0; }
"""
GLIBC, MUSL = Path("/lib/x86_64-linux-gnu/libc.so.6"), Path("/lib/ld-musl-x86_64.so.1")
pytestmark = pytest.mark.root("only root may let the programs of others go on")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """One program for each C library."""
    folder, made = tmp_path_factory.mktemp("programs"), {}
    for libc, compiler in ((GLIBC, "gcc"), (MUSL, "musl-gcc")):
        source = folder / f"{compiler}.c"
        source.write_text(PROGRAM)
        subprocess.run([compiler, "-o", folder / compiler, source], check=True)
        made[libc] = folder / compiler
    return made


@pytest.fixture
def launch(programs: dict[Path, Path], tmp_path: Path) -> Callable[[Path], str]:
    """The command line that runs a program with a fresh copy of its C library."""
    number = 0

    def line(libc: Path) -> str:
        nonlocal number
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        copy = shutil.copy(libc.resolve(), folder / libc.name)
        return f"{copy} {programs[libc]}" if libc == MUSL else f"LD_LIBRARY_PATH={folder} {programs[libc]}"

    return line


def complete(seen: Observed) -> list[int]:
    """Processes of which both calls were seen."""
    opened = {e.pid for e in seen.events if isinstance(e, Dlopen)}
    return sorted(opened & {e.pid for e in seen.events if isinstance(e, Dlsym)})


def test_every_first_call_of_a_fresh_library_is_seen(launch: Callable[[Path], str]) -> None:
    source, lines = Kept(), [launch((GLIBC, MUSL)[at % 2]) for at in range(LAUNCHES)]

    seen = follow(["/bin/sh", "-c", " && ".join([*lines, "exit 5"])], source=source)

    assert (seen.wait_status >> 8, seen.lost) == (5, [])
    assert len(complete(seen)) == LAUNCHES
    [note] = source.captures[0].notes
    assert note.startswith(f"{LAUNCHES} programs were stopped for ")


def test_the_same_library_stops_only_the_first_program(launch: Callable[[Path], str]) -> None:
    source, line = Kept(), launch(GLIBC)

    seen = follow(["/bin/sh", "-c", f"{line} && {line} && {line} && exit 5"], source=source)

    assert (seen.wait_status >> 8, len(complete(seen))) == (5, 3)
    assert source.captures[0].notes[0].startswith("1 program was stopped for ")


def test_many_programs_that_start_at_once_with_one_fresh_library(launch: Callable[[Path], str]) -> None:
    line = launch(GLIBC)

    seen = follow(["/bin/sh", "-c", f"for i in 1 2 3 4 5 6 7 8; do {line} & done; wait; exit 5"])

    assert (seen.wait_status >> 8, len(complete(seen))) == (5, 8)


def test_the_library_of_another_mount_namespace_is_found(
    programs: dict[Path, Path], tool: Callable[[str], str]
) -> None:
    """The file is on a tmpfs that only the program's own mount namespace has."""
    inner = f"mount -t tmpfs none /mnt && cp {GLIBC} /mnt && LD_LIBRARY_PATH=/mnt {programs[GLIBC]} && exit 5"

    seen = follow([tool("unshare"), "-m", "/bin/sh", "-c", inner])

    assert (seen.wait_status >> 8, len(complete(seen))) == (5, 1)


def test_nothing_is_stopped_where_that_is_not_wanted(launch: Callable[[Path], str]) -> None:
    source = Kept()

    seen = follow(["/bin/sh", "-c", f"{launch(GLIBC)} && exit 5"], source=source, stops=False)

    assert seen.wait_status >> 8 == 5
    assert source.captures[0].notes == (
        "1 program uses a C library not seen before, not stopped for it: first dl calls may be missing",
    )


def test_no_program_is_stopped_by_a_collector_that_could_not_let_it_go_on(
    launch: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_may_signal_all", lambda: False)
    source = Kept()

    seen = follow(["/bin/sh", "-c", f"{launch(GLIBC)} && exit 5"], source=source)

    assert seen.wait_status >> 8 == 5
    assert "not stopped for it" in source.captures[0].notes[0]


def test_a_program_goes_on_though_the_collector_was_killed_just_then(
    launch: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_self: Libraries, _mapped: list[Unseen]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Libraries, "serve", killed)

    seen = follow(["/bin/sh", "-c", f"{launch(GLIBC)} && exit 5"])

    assert seen.wait_status >> 8 == 5
    assert [one.what for one in seen.lost] == ["unknown"]


def test_a_program_goes_on_though_its_library_lies_where_reading_never_ends(
    launch: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PATIENCE_S", 1)
    monkeypatch.setattr(Libraries, "_attach_mapped", lambda _self, _unseen: time.sleep(600))

    seen = follow(["/bin/sh", "-c", f"{launch(GLIBC)} && exit 5"])

    assert seen.wait_status >> 8 == 5
    assert [one.what for one in seen.lost] == ["unknown"]


def test_a_program_goes_on_though_the_collector_failed_just_then(
    launch: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_self: Libraries, _unseen: Unseen) -> None:
        raise RuntimeError

    monkeypatch.setattr(Libraries, "_attach_mapped", failing)

    seen = follow(["/bin/sh", "-c", f"{launch(GLIBC)} && {launch(MUSL)} && exit 5"])

    assert seen.wait_status >> 8 == 5


def test_a_program_goes_on_though_gotrace_was_killed_just_then(launch: Callable[[Path], str], tmp_path: Path) -> None:
    """Who follows is a process of its own, and is killed the moment its collector has a stopped program at hand."""
    before, done = loaded_programs(), tmp_path / "done"
    line = f"{launch(GLIBC)} && touch {done}"
    gotrace = os.fork()
    if gotrace == 0:
        original = Libraries._attach_mapped

        def kill_gotrace_first(self: Libraries, unseen: Unseen) -> None:
            os.kill(follower, signal.SIGKILL)
            original(self, unseen)

        follower = os.getpid()
        Libraries._attach_mapped = kill_gotrace_first  # type: ignore[method-assign]
        follow(["/bin/sh", "-c", line])
        os._exit(0)
    assert os.waitpid(gotrace, 0)[1] == signal.SIGKILL

    deadline = time.monotonic() + 20
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done.exists()
    assert wait_until_unloaded(before, 10) == []


def test_nothing_stays_behind(launch: Callable[[Path], str]) -> None:
    before, others = loaded_programs(), collectors()

    follow(["/bin/sh", "-c", launch(GLIBC)])

    assert wait_until_unloaded(before, 10) == []
    assert [pid for pid in collectors() if pid not in others] == []


def test_a_kernel_without_links_for_many_places_is_served_one_by_one(
    launch: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_program: int, path: str, _points: object) -> int:
        raise bpf.BpfError(22, path)

    monkeypatch.setattr(bpf, "link_uprobes", refused)
    before, source = loaded_programs(), Kept()
    line = launch(MUSL)

    began = time.monotonic()
    seen = follow(["/bin/sh", "-c", f"{line} && exit 5"], source=source)

    assert (seen.wait_status >> 8, len(complete(seen))) == (5, 1)
    assert source.captures[0].notes[0].startswith("1 program was stopped")
    assert time.monotonic() - began < 60
    assert wait_until_unloaded(before, 30) == []


def test_the_capture_ends_at_once_though_uprobes_are_taken_away_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    from gotrace.sources.ebpf.uprobes import Uprobes

    slowly = Uprobes.close

    def close(self: Uprobes) -> None:
        time.sleep(3)
        slowly(self)

    monkeypatch.setattr(Uprobes, "close", close)
    before, source = loaded_programs(), Kept()
    with source.open(Target(1, running=True)) as capture:
        capture.attach()
        began = time.monotonic()
        capture.stop()
    assert time.monotonic() - began < 2.5
    assert wait_until_unloaded(before, 20) == []
