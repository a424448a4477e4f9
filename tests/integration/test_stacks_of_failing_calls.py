"""Who made a failing call of a program's run: both sources tell the same frames, and the report the same origin."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gotrace.events.model import Frame, SyscallError
from gotrace.events.recording import read_recording
from gotrace.sources.base import CallMoment, Target
from gotrace.sources.ptrace.source import PtraceSource
from tests.integration.both import observe_both
from tests.integration.conftest import GOTRACE
from tests.integration.crashes import names
from tests.integration.observing import Observed, observe
from tests.integration.projects import go_module

PROGRAMS = Path(__file__).parent / "programs"
Tool = Callable[[str], str]

GO = """package main

/*
#cgo CFLAGS: -O1 -fno-omit-frame-pointer
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#define APART __attribute__((noinline))
APART static int innermost(const char *path) { return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) + 1; }
APART static int middle(const char *path) { return innermost(path) + 1; }
APART static int outermost(const char *path) { return middle(path) + 1; }
APART static int by_libc(const char *path) { return open(path, O_RDONLY) + 1; }
*/
import "C"

import "os"

//go:noinline
func inGo(path string) { _, _ = os.Open(path) }

//go:noinline
func inC(path string) { C.outermost(C.CString(path)) }

func main() {
	inGo("/nowhere/go")
	inC("/nowhere/c")
	C.by_libc(C.CString("/nowhere/libc"))
	os.Exit(3)
}
"""
OF_MAIN = ["main.main", "runtime.main", "runtime.goexit"]
OF_GO = ["syscall.Syscall6", "syscall.openat", "os.open", "os.openFileNolog", "os.OpenFile", "main.inGo", *OF_MAIN]
OF_C = [
    "syscall", "innermost", "middle", "outermost", "_cgo_X_Cfunc_outermost", "runtime.asmcgocall", "runtime.cgocall",
    "main._Cfunc_outermost", "main.inC", *OF_MAIN,
]  # fmt: skip

OPTIMISED = """package main

// int init_library(int kind, int times);
import "C"

import "os"

//go:noinline
func start() { C.init_library(2, 40) }

func main() {
	start()
	os.Exit(3)
}
"""
"""cgo's own flags: -O2 without frame pointers."""
LIBRARY = """
#include <stdio.h>
#define APART __attribute__((noinline))
APART static int load_table(int kind) {
    char path[512];
    snprintf(path, sizeof path, "/nowhere/table-%d", kind);
    FILE *file = fopen(path, "r");
    return file ? fgetc(file) + path[3] : 0;
}
APART int init_library(int kind, int times) {
    int sum = 0;
    for (int i = 0; i < times; i++) sum += load_table(kind);
    return sum + load_table(kind + 1);
}
"""
OF_OPTIMISED = [
    "load_table", "init_library", "_cgo_X_Cfunc_init_library", "runtime.asmcgocall", "runtime.cgocall",
    "main._Cfunc_init_library", "main.start", *OF_MAIN,
]  # fmt: skip

STRIPPED = """
#include <unistd.h>
__attribute__((noinline)) static int asks(const char *path) { return access(path, R_OK) + 1; }
__attribute__((noinline)) static int called(const char *path) { return asks(path) + 1; }
int main(void) {
    called("/nowhere/libc");
    return 3;
}
"""

STARTS = """
#include <unistd.h>
__attribute__((noinline)) static int become(char *program) {
    char *argv[] = {program, 0};
    execv(program, argv);
    return argv[0] != 0;
}
int main(void) { return become("/nowhere/program") ? 3 : 4; }
"""

IN_TURNS = """
#include <fcntl.h>
#define APART __attribute__((noinline))
APART static int reads(const char *path) { return open(path, O_RDONLY) + 1; }
APART static int writes(const char *path) { return open(path, O_WRONLY) + 2; }
int main(void) {
    int sum = 0;
    for (int i = 0; i < 100; i++) sum += reads("/nowhere") + writes("/nowhere");
    return sum > 0 ? 3 : 4;
}
"""
"""Two functions that ask for the same: what they ask with tells which one it was."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all programs."""
    return tmp_path_factory.mktemp("failing")


@pytest.fixture(scope="module")
def of_go(folder: Path, tool: Tool) -> Path:
    """A program of Go and C, each of which fails to open a file."""
    made = go_module(folder / "go", {"main.go": GO})
    env = os.environ | {"CGO_ENABLED": "1", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    subprocess.run([tool("go"), "build", "-o", "app", "."], cwd=made, env=env, check=True)
    return made / "app"


@pytest.fixture(scope="module")
def as_cgo_does(folder: Path, tool: Tool) -> Callable[..., Path]:
    """A program whose C code is compiled as cgo does by itself: it tries one file 40 times, then another one."""

    def built(compiler: str = "gcc", *of_linker: str, **more: str) -> Path:
        name = "-".join((compiler, *of_linker, *more))
        if (folder / name).exists():
            return folder / name / "app"
        made = go_module(folder / name, {"main.go": OPTIMISED, "library.c": LIBRARY})
        env = {name: value for name, value in os.environ.items() if not name.startswith("CGO_")}
        env |= {"CGO_ENABLED": "1", "GOFLAGS": "", "GOTOOLCHAIN": "local", "CC": tool(compiler)} | more
        link = [f"-ldflags=-linkmode=external '-extldflags={' '.join(of_linker)}'"] if of_linker else []
        link += ["-buildmode=pie"] if "-static-pie" in of_linker else []
        subprocess.run([tool("go"), "build", *link, "-o", "app", "."], cwd=made, env=env, check=True)
        return made / "app"

    return built


@pytest.fixture(scope="module")
def of_c(folder: Path, tool: Tool) -> Callable[..., Path]:
    """Compiles a program of programs/, or a text."""

    def compiled(name: str, *flags: str, text: str = "") -> Path:
        source, program = folder / f"{name}.c", folder / name
        source.write_text(text or (PROGRAMS / source.name).read_text())
        subprocess.run([tool("gcc"), "-w", *flags, "-o", program, source], check=True)
        return program

    return compiled


def with_a_path(seen: Observed) -> list[SyscallError]:
    """Failing calls that both sources see (see `differences`)."""
    failed = [event for event in seen.events if isinstance(event, SyscallError) and any(event.paths)]
    return [event for event in failed if event.syscall not in ("readlink", "readlinkat")]


def alike(event: SyscallError) -> tuple[Any, ...]:
    """What both must tell of it: addresses, for they saw one and the same process."""
    return (event.pid, event.tid, event.abi, event.syscall, event.errno, event.paths, event.ip, event.stack)


class Known(NamedTuple):
    """A call with a path, and all that is known of its thread."""

    tid: int
    path: str
    registers: dict[str, int]
    memory: bytes
    callers: tuple[int, ...]


def moments(seen: Observed) -> list[Known]:
    """The first call of each path that has a moment, and of that what both tell: eBPF reads whole pieces of memory."""
    of_call = {(one.tid, one.ts_ns): one for one in seen.events if isinstance(one, CallMoment)}
    found: dict[str, Known] = {}
    for call in with_a_path(seen):
        moment = of_call.get((call.tid, call.ts_ns))
        if moment is not None:
            known = Known(call.tid, call.paths[0], moment.registers, moment.memory[:4096], moment.callers[-6:])
            found.setdefault(known.path, known)
    return list(found.values())


@pytest.mark.root("eBPF needs root here: both observe from one process")
@pytest.mark.parametrize("loop", ["python", "compiled"])
class TestAtOnce:
    """Both sources observe one run."""

    @pytest.fixture(autouse=True)
    def choose(self, loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which of the tracer's two loops runs."""
        monkeypatch.setenv("GOTRACE_PTRACE_LOOP", loop)

    @staticmethod
    def equal(program: Path) -> list[SyscallError]:
        """Failing calls of a program, after they were seen to have the same frames."""
        both = observe_both([str(program)], running=True)
        by_ebpf, by_ptrace = with_a_path(both.ebpf), with_a_path(both.ptrace)
        assert Counter(map(alike, by_ptrace)) == Counter(map(alike, by_ebpf))
        assert all(event.stack[0] == Frame(event.ip) for event in by_ptrace)
        return by_ptrace

    def test_go_and_c(self, of_go: Path) -> None:
        frames = {event.paths[0]: len(event.stack) for event in self.equal(of_go)}
        assert (frames["/nowhere/go"], frames["/nowhere/c"]) == (
            1 + len(OF_GO),
            len(OF_C) - 1,
        )  # syscall(3) has no frame pointer

    def test_a_program_that_was_not_there(self, of_c: Callable[..., Path]) -> None:
        both = observe_both([str(of_c("starts", "-O1", "-fno-omit-frame-pointer", text=STARTS))], running=True)
        (by_ebpf,), (by_ptrace,) = both.ebpf.execs(failed=True), both.ptrace.execs(failed=True)
        assert by_ebpf.stack == by_ptrace.stack
        assert len(by_ebpf.stack) >= 2

    def test_what_it_takes_to_go_by_unwind_tables(self, as_cgo_does: Callable[..., Path]) -> None:
        both = observe_both([str(as_cgo_does())], running=True)
        of_ebpf, of_ptrace = ({(one.tid, one.path): one for one in moments(seen)} for seen in (both.ebpf, both.ptrace))
        assert {path for _, path in of_ptrace} >= {"/nowhere/table-2", "/nowhere/table-3"}
        for key, told in of_ptrace.items():
            assert told == of_ebpf[key]

    def test_frame_pointers_that_lead_astray(self, of_c: Callable[..., Path]) -> None:
        program = of_c("led_astray", "-O1", "-fno-omit-frame-pointer", "-mno-red-zone")
        calls = [event for event in self.equal(program) if event.paths[0].startswith("/nowhere")]
        frames = [(event.paths[0].removeprefix("/nowhere/"), len(event.stack)) for event in calls]
        assert len(frames) == 2 + 12 + 7 + 3
        assert frames[0] == ("deep", 32)
        assert {number for name, number in frames if name == "wrong"} == {1}
        assert [number for name, number in frames if name == "end"] == [1, 1, 2, 2, 2, 2, 2]
        assert frames[-3:] == [("across", 5), ("circle", 32), ("odd", 2)]

    def test_a_32_bit_program(self, of_c: Callable[..., Path]) -> None:
        flags = ("-m32", "-static", "-nostdlib", "-no-pie", "-fno-pic", "-O0", "-fno-stack-protector")
        (call,) = self.equal(of_c("tiny32", *flags))
        assert len(call.stack) >= 2

    def test_32_bit_calls_of_64_bit_code(self, of_c: Callable[..., Path]) -> None:
        calls = self.equal(of_c("i386", "-static", "-no-pie", "-O1"))
        assert {event.abi for event in calls} >= {"i386"}


@pytest.mark.parametrize("running", [False, True])
def test_they_are_of_runs_not_of_builds(of_c: Callable[..., Path], running: bool) -> None:
    seen = observe([str(of_c("asks", "-O0", text=STRIPPED))], source=PtraceSource(), target=Target(1, running=running))
    assert {bool(event.stack) for event in with_a_path(seen)} == {running}


class TestByName:
    """What `gotrace run` makes of it."""

    @pytest.fixture
    def run(self, tmp_path: Path, privileges: tuple[str, ...], backend: str) -> Callable[..., dict[str, Any]]:
        """Runs a program that exits with status 3: by path of each failing call its frames, and what is told of it.

        Of a refused exec only the latter.
        """

        def told(program: Path) -> dict[str, Any]:
            recording = tmp_path / "recording.gotrace"
            as_asked = ["--backend", backend, *(privileges if backend == "ebpf" else ())]
            done = subprocess.run(
                [GOTRACE, "run", "--no-color", *as_asked, "-o", recording, "--", program],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
                env=os.environ | {"COLUMNS": "300"},
            )
            assert done.returncode == 3, done.stderr
            events = [one for one in read_recording(recording).events if isinstance(one, SyscallError) and one.paths]
            lines = {path: line for line in done.stderr.splitlines() for path in line.split('"')[1:2]}
            return lines | {one.paths[0]: (one.stack, lines.get(one.paths[0], "")) for one in events}

        return told

    def test_go_and_c(self, run: Callable[..., dict[str, Any]], of_go: Path) -> None:
        told = run(of_go)
        in_go, line = told["/nowhere/go"]
        assert names(in_go)[1:] == OF_GO
        assert "Syscall6" in in_go[0].symbol
        assert line.endswith("  by os.OpenFile <- main.inGo (app, main.go:19)")
        in_c, line = told["/nowhere/c"]
        assert names(in_c) == OF_C
        assert [frame.origin for frame in in_c] == ["libc", *["c"] * 4, *["go"] * 7]
        assert line.endswith("  by syscall (libc.so.6) <- innermost <- main.inC (app, main.go:22)")
        by_libc, line = told["/nowhere/libc"]
        assert by_libc[0].origin == "libc"
        assert "  by " in line

    @pytest.mark.parametrize(
        ("build", "asked"),
        [
            (("gcc",), "fopen (libc.so.6)"),
            (("musl-gcc",), "fopen (libc.so)"),
            (("musl-gcc", "-static"), "fopen"),
            (("gcc", "-static"), "__fopen_internal"),  # to which fopen has jumped
            (("gcc", "-static-pie"), "__fopen_internal"),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
    )
    def test_c_without_frame_pointers(
        self, run: Callable[..., dict[str, Any]], as_cgo_does: Callable[..., Path], build: tuple[str, ...], asked: str
    ) -> None:
        told = run(as_cgo_does(*build))
        for path, times in (("/nowhere/table-2", 40), ("/nowhere/table-3", 1)):
            stack, line = told[path]
            assert names(stack)[-len(OF_OPTIMISED) :] == OF_OPTIMISED
            assert {frame.origin for frame in stack[: -len(OF_OPTIMISED)]} == {"libc"}
            assert line.strip().startswith(f"{times}x  open")
            assert line.endswith(f"  by {asked} <- load_table <- main.start (app, main.go:9)")

    def test_a_program_that_was_not_there(self, run: Callable[..., dict[str, Any]], of_c: Callable[..., Path]) -> None:
        line = run(of_c("starts", "-O2", text=STARTS))["/nowhere/program"]
        assert line.endswith("  by execve (libc.so.6) <- become.constprop.0 (starts)")  # to which execv has jumped

    def test_of_two_who_ask_for_the_same_none_is_told_for_the_other(
        self, run: Callable[..., dict[str, Any]], of_c: Callable[..., Path], tmp_path: Path
    ) -> None:
        run(of_c("in_turns", "-O2", text=IN_TURNS))
        recorded = read_recording(tmp_path / "recording.gotrace").events
        calls = [one for one in recorded if isinstance(one, SyscallError) and one.paths == ("/nowhere",)]
        assert sum(call.repeat for call in calls) == 200
        told = Counter((frame.symbol.partition(".")[0], call.args[2]) for call in calls for frame in call.stack[1:2])
        assert set(told) == {("reads", os.O_RDONLY), ("writes", os.O_WRONLY)}
        assert min(told.values()) >= 4

    def test_an_import_that_is_called_by_its_address(
        self, run: Callable[..., dict[str, Any]], as_cgo_does: Callable[..., Path]
    ) -> None:
        _, line = run(as_cgo_does(CGO_CFLAGS="-O2 -fno-plt"))["/nowhere/table-3"]
        assert line.endswith("  by fopen (libc.so.6) <- load_table <- main.start (app, main.go:9)")

    def test_libc_in_a_stripped_program(self, run: Callable[..., dict[str, Any]], of_c: Callable[..., Path]) -> None:
        program = of_c("stripped", "-O1", "-fno-omit-frame-pointer", "-s", text=STRIPPED)
        stack, line = run(program)["/nowhere/libc"]
        assert [(frame.symbol, frame.origin) for frame in stack][:3] == [("access", "libc"), ("", "c"), ("", "c")]
        assert [frame.module for frame in stack[1:3]] == [str(program)] * 2
        assert line.endswith(f"  by access (libc.so.6) <- stripped+{stack[1].address:#x}")
