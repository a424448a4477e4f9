"""The C libraries that uprobes are put in: each once, and whatever happens the process that maps it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gotrace.sources.ebpf import bpf, libraries, uprobes
from gotrace.sources.ebpf.libraries import Libraries, Unseen
from gotrace.sources.ebpf.uprobes import Points, Uprobes
from tests.unit.sources.ebpf.raw_run import C


class FakeUprobes(Uprobes):
    """Attaches to nothing, and remembers to what it should."""

    def __init__(self, error: OSError | None = None) -> None:
        self.attached: list[Sequence[tuple[int, int]]] = []
        self.error = error

    def attach(self, path: str, places: Sequence[tuple[int, int]]) -> None:
        if self.error is not None:
            raise self.error
        assert Path(path).exists()
        self.attached.append(places)

    def close(self) -> None:
        self.attached.clear()


@pytest.fixture(autouse=True)
def points(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Points]:
    """What is found in a file, by its content."""
    known = {b"libc": Points([(0x20, 9), (0x10, 1)], [])}
    monkeypatch.setattr(libraries, "points_of", lambda file, _: known.get(os.pread(file, 99, 0), Points([], [])))
    return known


@pytest.fixture
def libc(tmp_path: Path) -> Path:
    path = tmp_path / "libc.so.6"
    path.write_bytes(b"libc")
    return path


@pytest.fixture
def sleeper(libc: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A stopped process that has mapped the library."""
    script = (
        "import mmap, sys, time; file = open(sys.argv[1]); kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(["python3", "-c", script, libc], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process
        process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def mapped(process: subprocess.Popen[bytes], libc: Path, *, stopped: int = 1) -> Unseen:
    status = libc.stat()
    device = os.major(status.st_dev) << 20 | os.minor(status.st_dev)
    return Unseen(time.monotonic_ns(), status.st_ino, device, process.pid, stopped)


def test_a_program_that_maps_a_new_library_goes_on_once_it_is_attached(
    sleeper: subprocess.Popen[bytes], libc: Path
) -> None:
    fake, ready = FakeUprobes(), set()
    known = Libraries(fake, C, lambda inode, device: ready.add((inode, device)))
    unseen = mapped(sleeper, libc)

    known.serve([unseen])

    assert fake.attached == [[(0x20, 9), (0x10, 1)]]
    assert (unseen.inode, unseen.device) in ready
    assert state(sleeper.pid) != "T"
    assert known.notes()[0].startswith("1 program was stopped for ")


def test_a_library_is_attached_once(sleeper: subprocess.Popen[bytes], libc: Path) -> None:
    fake = FakeUprobes()
    known = Libraries(fake, C, lambda _inode, _device: None)

    known.attach_known(str(libc))
    known.serve([mapped(sleeper, libc), mapped(sleeper, libc)])

    assert len([places for places in fake.attached if places == [(0x20, 9), (0x10, 1)]]) == 1


@pytest.mark.parametrize("failing", ["attach", "ready", "points"])
def test_a_program_goes_on_though_nothing_could_be_attached(
    sleeper: subprocess.Popen[bytes], libc: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(7, "no room")

    if failing == "points":
        monkeypatch.setattr(libraries, "points_of", fail)
    known = Libraries(
        FakeUprobes(OSError(22, "refused") if failing == "attach" else None), C,
        fail if failing == "ready" else lambda _inode, _device: None,
    )  # fmt: skip

    known.serve([mapped(sleeper, libc)])

    assert state(sleeper.pid) != "T"
    assert (failing == "ready") or any("calls of dlopen and dlsym in" in note for note in known.notes())


def test_a_failure_of_ours_lets_all_programs_go_on(
    sleeper: subprocess.Popen[bytes], libc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Libraries, "_attach_mapped", fail)
    known = Libraries(FakeUprobes(), C, lambda _inode, _device: None)
    gone = Unseen(0, 1, 1, 2**22 - 1, 1)

    with pytest.raises(RuntimeError):
        known.serve([gone, mapped(sleeper, libc)])
    assert state(sleeper.pid) == "T"
    known.close()

    assert state(sleeper.pid) != "T"


def test_a_program_that_was_not_stopped_is_told_of(sleeper: subprocess.Popen[bytes], libc: Path) -> None:
    known = Libraries(FakeUprobes(), C, lambda _inode, _device: None)

    known.serve([mapped(sleeper, libc, stopped=0)])

    assert known.notes() == [
        "1 program uses a C library not seen before, not stopped for it: first dl calls may be missing"
    ]
    assert state(sleeper.pid) == "T"  # not by us


def test_what_is_no_file_is_not_looked_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    fake = FakeUprobes()
    known = Libraries(fake, C, lambda _inode, _device: None)
    known.attach_known("")
    before = len(fake.attached)

    known.attach_known(str(tmp_path / "pipe"))  # would wait for ever for a writer
    known.attach_known(str(tmp_path / "absent"))

    assert len(fake.attached) == before
    assert known.notes() == []


def test_functions_whose_return_was_not_found_are_told_of(libc: Path, points: dict[bytes, Points]) -> None:
    points[b"libc"] = Points([(0x20, 9), (0x10, 1)], ["dlsym"])
    known = Libraries(FakeUprobes(), C, lambda _inode, _device: None)

    known.attach_known(str(libc))

    assert [note for note in known.notes() if "calls of dlsym in " in note and str(libc) in note]


def test_the_loader_of_a_script_is_that_of_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#! /bin/sh -e\n")

    found = libraries._of_program(str(script))

    assert found[:2] == [str(script), "/bin/sh"]
    assert Path(found[2]).name.startswith("ld")


def test_real_libraries_have_entries_and_returns_of_all_functions() -> None:
    """The machine's own glibc: RETs are where `objdump` has a ret."""
    libc = Path("/lib/x86_64-linux-gnu/libc.so.6")
    if not libc.exists():
        pytest.skip("no glibc of Debian's multiarch folders here")
    descriptor = os.open(libc, os.O_RDONLY | os.O_CLOEXEC)
    found = uprobes.points_of(descriptor, C)
    os.close(descriptor)

    entries = {cookie for _, cookie in found.places if not cookie & C["DL_RETURNS"]}
    returns = {cookie & 7 for _, cookie in found.places if cookie & C["DL_RETURNS"]}
    assert entries == returns == {C[name] for name in ("DL_OPEN", "DL_MOPEN", "DL_SYM", "DL_VSYM", "DL_ERROR")}
    assert found.without_return == []
    code = libc.read_bytes()
    assert {code[place] for place, cookie in found.places if cookie & C["DL_RETURNS"]} <= {0xC3, 0xF3}


def test_places_are_attached_one_by_one_where_links_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    linked, loaded = [], []

    def refused(_program: int, path: str, _places: object) -> int:
        raise bpf.BpfError(22, path)

    def one(_program: int, event: int, cookie: int) -> int:
        linked.append((event, cookie))
        return os.open(os.devnull, os.O_RDONLY)

    def load(way: int) -> int:
        loaded.append(way)
        return os.open(os.devnull, os.O_RDONLY)

    monkeypatch.setattr(bpf, "link_uprobes", refused)
    monkeypatch.setattr(bpf, "link_perf_event", one)
    monkeypatch.setattr(uprobes, "_open_event", lambda _path, offset: os.dup2(0, 900 + offset))
    attached = Uprobes(load)

    attached.attach("/lib/libc.so.6", [(1, 9), (2, 1)])
    attached.close()

    assert linked == [(901, 9), (902, 1)]
    assert loaded == [bpf.UPROBE_MULTI, bpf.PERF_EVENT]
    for descriptor in (901, 902):
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)
