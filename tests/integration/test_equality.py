"""eBPF and ptrace observe the same run: their events are equal, but for a documented list of differences."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gotrace.events.model import Output, SyscallError
from gotrace.sources.ptrace import compiled, executions, records
from tests.integration.both import NOBODY, Both, observe_both
from tests.integration.differences import DIFFERENCES, OF_ORDINARY_USERS, Difference, unequal
from tests.integration.projects import ADD, go_module

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
HOW = {"i386": ("-static", "-no-pie"), "tiny32": ("-m32", "-static", "-nostdlib", "-no-pie", "-fno-pic")}

pytestmark = pytest.mark.root("eBPF needs root here: both observe from one process")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are root's."""
    with tempfile.TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def program(folder: Path) -> Callable[[str], str]:
    """Compiles a program of programs/, once."""

    def compile_(name: str) -> str:
        target = folder / name
        if not target.exists():
            flags = HOW.get(name, ("-static", "-pthread"))
            subprocess.run(["gcc", "-O1", *flags, "-o", target, PROGRAMS / f"{name}.c"], check=True)
        return str(target)

    return compile_


@pytest.fixture(params=["python", "compiled"], autouse=True)
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the tracer's two loops runs."""
    name = str(request.param)
    assert isinstance(compiled.stops_of(memoryview(bytearray(64)).cast("Q")), compiled.CompiledStops)
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", name)
    return name


def equal(both: Both, *, but_for: tuple[Difference, ...] = DIFFERENCES) -> Both:
    """The same, after it was seen to be equal."""
    assert (both.ebpf.lost, both.ptrace.lost) == ([], [])
    only_ebpf, only_ptrace = unequal(both, but_for=but_for)
    assert only_ebpf == []
    assert only_ptrace == []
    return both


def shell(script: str, *, env: dict[str, str] | None = None, uid: int = 0) -> Both:
    """A shell script under both."""
    return equal(observe_both(["/bin/sh", "-c", script], env=env, uid=uid))


def python(script: str, *, uid: int = 0) -> Both:
    """A Python script under both: what no shell can do."""
    interpreter = "/usr/bin/python3" if uid else sys.executable
    return equal(observe_both([interpreter, "-I", "-S", "-c", script], uid=uid))


def test_scripts(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.write_text("#!/bin/sh -e\ncat /nowhere\n")
    outer.write_text(f"#!/usr/bin/env -S {inner} word\n")
    broken = tmp_path / "broken"
    broken.write_text("#!/nowhere/interpreter\n")
    for path in (inner, outer, broken):
        path.chmod(0o755)

    both = shell(f"{inner} one; {outer} two; {broken}; absent; (exit 7)")

    assert {e.status for e in both.ptrace.exits()} >= {1, 7}
    assert {e.path for e in both.ptrace.execs(failed=True)} == {str(broken)}
    assert len(both.ptrace.execs()) == 6


def test_processes_made_in_every_way(program: Callable[[str], str]) -> None:
    both = equal(observe_both([program("births")]))

    assert len(both.ptrace.forks()) == 19
    paths = {e.paths[0].removeprefix("/nowhere/") for e in both.ptrace.errors("access") if e.paths}
    assert paths >= {
        "vfork",
        "no-exit-signal",
        "clone3-vfork",
        "shared-memory",
        "sibling",
        "last-thread",
        "clone3-untraced",
    }


def test_a_process_for_each_number_below_1000(program: Callable[[str], str]) -> None:
    assert len(equal(observe_both([program("many_children"), "1000"])).ptrace.forks()) == 1000


def test_an_exec_by_a_thread_that_is_not_the_leader(program: Callable[[str], str]) -> None:
    both = equal(observe_both([program("thread_exec"), "/bin/sh", "-c", "cat /nowhere; exit 5"]))

    assert both.ptrace.exits()[-1].status == 5


def test_64_threads_that_execute_at_once(program: Callable[[str], str]) -> None:
    times = 10
    both = equal(observe_both([program("crowd"), str(times), "/bin/true", "won"]))

    assert [e.argv for e in both.ptrace.execs()][1:] == [("/bin/true", "won")] * times
    assert [e.status for e in both.ptrace.exits()] == [0] * (times + 1)
    assert both.ptrace.execs(failed=True)


def test_calls_of_the_32_bit_table(program: Callable[[str], str]) -> None:
    both = equal(observe_both([program("i386")]))

    seen = {e.syscall for e in both.ptrace.events if isinstance(e, SyscallError) and e.abi == "i386"}
    assert seen == {"access", "open", "openat", "rename", "statx", "fstatat64", "ptrace"}
    assert both.ptrace.output(both.ptrace.pid) == "by write\nby writev\nby write\n"
    assert [e.argv for e in both.ptrace.execs(failed=True)] == [("/bin/true", "one word")] * 2
    assert both.ptrace.execs()[-1].env == {}


def test_a_32_bit_program(program: Callable[[str], str]) -> None:
    both = equal(observe_both([program("tiny32"), "word"], env={"A": "b"}))

    (start,) = both.ptrace.execs()
    assert (start.argv, start.env) == ((program("tiny32"), "word"), {"A": "b"})
    assert both.ptrace.output(both.ptrace.pid) == "thirty-two\n"


@pytest.mark.parametrize("cores", ["0", "unlimited"])
@pytest.mark.parametrize("name", ["SEGV", "ABRT", "KILL", "TERM"])
def test_deaths_by_signals(tmp_path: Path, name: str, cores: str) -> None:
    both = shell(f"cd {tmp_path}; ulimit -c {cores}; sh -c 'kill -{name} $$'; (kill -{name} $$) & wait; exit 0")

    number = signal.Signals[f"SIG{name}"]
    dead = [event for event in both.ptrace.exits() if event.signal == number]
    assert dead
    dumps = cores == "unlimited" and name in {"SEGV", "ABRT"}
    assert {event.core for event in dead} <= ({True, False} if dumps else {False})


def test_programs_that_are_stopped_and_go_on() -> None:
    both = shell("sleep 0.2 & kill -STOP $!; sleep 0.1; kill -CONT $!; wait $!; timeout 0.1 sleep 60; exit $?")

    assert [(e.status, e.signal) for e in both.ptrace.exits()].count((0, None)) == 2
    assert both.ptrace.exits()[-1].status == 124


def test_a_tracer_below_the_tracer(tool: Callable[[str], str]) -> None:
    both = equal(observe_both([tool("strace"), "-f", "-o", os.devnull, "/bin/true"]))

    assert both.ptrace.wait_status >> 8 == 1
    assert errno.EPERM in {e.errno for e in both.ptrace.errors("ptrace")}


def test_pid_namespaces() -> None:
    both = equal(
        observe_both(
            ["/usr/bin/unshare", "-Urpf", "--mount-proc", "/bin/sh", "-c", "cat /nowhere; (cat /nowhere); true"]
        )
    )

    assert {e.ns_pid for e in both.ptrace.errors("openat") if e.paths == ("/nowhere",)} == {2, 3}
    assert both.ptrace.execs()[-1].cwd == str(Path.cwd())


def test_roots_and_folders_that_are_not_what_they_were(program: Callable[[str], str], tmp_path: Path) -> None:
    inside = tmp_path / "root" / "folder"
    inside.mkdir(parents=True)
    subprocess.run(["cp", program("tiny32"), inside / "tool"], check=True)
    gone, odd = tmp_path / "gone" / "below", tmp_path / "odd (deleted)"
    gone.mkdir(parents=True)
    odd.mkdir()
    enter = f"import os; os.chroot({str(inside.parent)!r});"

    both = python(
        f"{enter} p = os.fork(); p or (os.chdir('/folder'), os.execv('tool', ['below the root'])); os.waitpid(p, 0);"
        "p = os.fork(); p or (os.chdir('/'), os.execv('/folder/tool', ['at it'])); os.waitpid(p, 0);"
        "os.execv('/folder/tool', ['outside of it'])"
    )
    assert [e.cwd for e in both.ptrace.execs()[1:]] == ["/folder", "/", str(Path.cwd())]
    assert [(e.root, e.mount_namespace) for e in both.ptrace.execs()] == [("", 0), *[(str(inside.parent), 0)] * 3]

    places = {(e.path, e.root, e.mount_namespace) for e in both.ptrace.execs(failed=True)}
    assert places == {("/nowhere/by-32-bits", str(inside.parent), 0)}, "tiny32 executes what is not there"

    both = shell(f"cd {gone}; rmdir {gone}; /bin/true; rmdir {gone.parent}; /bin/true; cd '{odd}'; exec /bin/true")
    assert [e.cwd for e in both.ptrace.execs() if e.path == "/bin/true"] == [str(gone), str(gone), str(odd)]

    mounts = f"mount -t tmpfs none '{odd}'; mkdir '{odd}/a'; cd '{odd}/a'; (exec /proc/version); exec /bin/true"
    both = equal(observe_both(["/usr/bin/unshare", "-m", "/bin/sh", "-c", mounts]))
    assert both.ptrace.execs()[-1].cwd == f"{odd}/a"
    assert [e.root for e in both.ptrace.execs()] == [""] * len(both.ptrace.execs())
    assert [bool(e.mount_namespace) for e in both.ptrace.execs()[:2]] == [False, True]
    (refused,) = both.ptrace.execs(failed=True)
    assert (refused.root, refused.mount_namespace) == ("", both.ptrace.execs()[-1].mount_namespace)


def test_execs_by_descriptor() -> None:
    both = python(
        "import os; d = os.open('/bin/true', os.O_PATH); p = os.fork();"
        "p or os.execve(d, ['by descriptor'], {'A': 'b'}); os.waitpid(p, 0); os.execve(d, ['again'], {})"
    )

    assert [e.argv for e in both.ptrace.execs()[1:]] == [("by descriptor",), ("again",)]
    assert all(e.path.startswith("/dev/fd/") for e in both.ptrace.execs()[1:])


def test_the_smallest_and_the_largest_execs(program: Callable[[str], str]) -> None:
    both = equal(observe_both([program("empty_argv"), "/bin/true"], env={}))
    assert [(e.argv, e.env) for e in both.ptrace.execs()][1:] == [(("",), {})]

    words = ["x" * 100_000] * 10  # with the others just below the 1 MB that ptrace keeps
    both = equal(observe_both(["/bin/sh", "-c", "sleep 0.5", *words], env={"A": "y" * 100_000}))
    assert both.ptrace.execs()[0].argv == ("/bin/sh", "-c", "sleep 0.5", *words)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\x1b[31m\\dir\n") + "é"
    folder = tmp_path / odd
    folder.mkdir()
    (folder / "tool").symlink_to("/bin/true")

    both = shell(
        f"cd '{folder}'; ./tool '{odd}'; cat '/nowhere/{odd}' '/nowhere/{'n' * 300}' '/{'nowhere/' * 600}' ''",
        env={"ODD": odd, "PATH": "/bin"},
    )

    assert (both.ptrace.execs()[1].cwd or "").endswith("/\\xff\x1b[31m\\\\dir\né")
    assert {len(e.paths[0]) for e in both.ptrace.errors("openat")} >= {0, 309, 4095}


def test_paths_that_cannot_be_read() -> None:
    both = python(
        "import ctypes, mmap; libc = ctypes.CDLL(None); page = mmap.mmap(-1, 8192);"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page)); libc.munmap(ctypes.c_void_p(at + 4096), 4096);"
        "page[4096 - 9:4096] = b'/nowhere\\0'; libc.access(ctypes.c_void_p(at + 4096 - 9), 0);"
        "page[4095:4096] = b'!'; libc.access(ctypes.c_void_p(at + 4096 - 9), 0);"
        "libc.rename(ctypes.c_void_p(1), b'/nowhere/new'); libc.access(None, 0);"
        "libc.execv(b'/nowhere/absent', ctypes.c_void_p(1)); import os; os._exit(0)"
    )

    assert [e.paths for e in both.ptrace.errors("access")][-3:] == [("/nowhere",), (), ()]
    assert [e.paths for e in both.ptrace.errors("rename")] in ([()], [("/nowhere/new",)])


@pytest.mark.parametrize(
    ("writes", "kept"),
    [
        ("os.write(2, b'plain'); os.writev(2, [b'in ', b'', b'pieces']); os.pwrite(2, b'placed', 7)", 20),
        ("[os.write(2, b'x' * 1000) for i in range(100)]", 65536),
        ("[os.writev(2, [b'x' * 500, b'y' * 500]) for i in range(100)]", 65536),
        ("os.write(2, b'x' * 100_000)", 65536),
        ("os.write(2, b'\\xff\\\\\\x1b[31m'); os.write(2, b''); os.writev(2, [])", 11),
        ("os.close(2); os.execv('/bin/sh', ['sh', '-c', 'echo lost >&2; cat /nowhere; true'])", 0),
        ("p = os.fork(); os.write(2, b'x' * 60_000); p and os.waitpid(p, 0)", 120_000),
    ],
    ids=["every-call", "limit", "limit-in-pieces", "one-large", "no-text", "closed", "a-limit-each"],
)
def test_what_is_written_to_stderr(tmp_path: Path, writes: str, kept: int) -> None:
    target = str(tmp_path / "stderr")
    both = python(f"import os; os.dup2(os.open({target!r}, os.O_RDWR | os.O_CREAT, 0o600), 2); {writes}")

    assert sum(len(e.text) for e in both.ptrace.events if isinstance(e, Output)) == kept


def test_the_differences_are_real(program: Callable[[str], str]) -> None:
    """Each documented difference but x32, which few kernels have, and the races, is seen when it is not evened out."""
    code = (
        "import ctypes, os; libc = ctypes.CDLL(None, use_errno=True);"
        "libc.close(987654); libc.readlink(b'/nowhere', ctypes.create_string_buffer(9), 9);"
        "libc.syscall(262, 77, b'', ctypes.create_string_buffer(512), 0x1000); libc.write(987654, b'x', 1);"
        "libc.ptrace(16, 1, 0, 0); libc.execv(b'/nowhere', (ctypes.c_char_p * 41)(*[b'word'] * 40, None));"
    )
    both = python(code)
    found = set()
    for title in ("calls without a path", "readlink", "AT_EMPTY_PATH", "failing writes", "arguments of a refused exec"):
        only_ebpf, _ = unequal(both, but_for=[one for one in DIFFERENCES if one.title != title])
        found.add((title, bool(only_ebpf)))
    assert {title for title, seen in found if not seen} == set()
    assert both.ebpf.errors("ptrace") != []
    assert len(both.ebpf.errors("ptrace")) == len(both.ptrace.errors("ptrace"))


def test_what_is_no_documented_difference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the comparison would be worth nothing."""
    monkeypatch.setattr(executions, "folders", lambda pid: (b"/elsewhere", records.HERE))
    only_ebpf, only_ptrace = unequal(observe_both(["/bin/true"]))
    assert [dict(event)["cwd"] for event in only_ebpf + only_ptrace] == [str(Path.cwd()), "/elsewhere"]


def test_the_documentation_tells_each_difference() -> None:
    section = (ROOT / "docs/architecture.md").read_text().partition("## What the sources see alike\n")[2]
    rows = [row.split("|")[1].strip() for row in section.partition("\n## ")[0].splitlines() if row.startswith("| ")]
    titles = [title for title in rows if not title.startswith("difference")]
    assert titles == [one.title for one in DIFFERENCES + OF_ORDINARY_USERS]


class TestAnOrdinaryUsers:
    """The tracer and the command belong to somebody who is not root; eBPF sees them as root does."""

    def test_everything_that_a_shell_does(self) -> None:
        both = shell("cat /nowhere /etc/shadow; absent; id >/dev/null; exit 3", uid=NOBODY)

        assert both.ptrace.exits()[-1].status == 3

    def test_processes_made_in_every_way(self, program: Callable[[str], str]) -> None:
        assert len(equal(observe_both([program("births")], uid=NOBODY)).ptrace.forks()) == 19

    def test_what_they_may_execute_but_not_read(self, program: Callable[[str], str], folder: Path) -> None:
        secret = Path(shutil.copy(program("tiny32"), folder / "secret"))
        secret.chmod(0o111)

        both = equal(observe_both([str(secret), "word"], uid=NOBODY), but_for=OF_ORDINARY_USERS + DIFFERENCES)

        assert [(e.path, e.argv, e.cwd) for e in both.ptrace.execs()] == [(str(secret), None, None)]
        assert [e.paths for e in both.ptrace.errors("access")] == [()]
        assert both.ptrace.exits()[-1].status == 13

    def test_set_user_id_programs_run_without_their_privilege(self, folder: Path) -> None:
        whoami = Path(shutil.copy("/usr/bin/id", folder / "id"))
        whoami.chmod(0o4755)

        both = equal(observe_both([str(whoami), "-u"], uid=NOBODY), but_for=OF_ORDINARY_USERS + DIFFERENCES)

        assert [e.suppressed for e in both.ptrace.execs()] == [True]


@pytest.mark.slow
class TestGoBuilds:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        return go_module(tmp_path / "app", {"main.go": ADD})

    @staticmethod
    def build(project: Path, build_env: dict[str, str], *arguments: str, **env: str) -> Both:
        """`go build` in the project's folder."""
        go = shutil.which("go") or "go"
        script = 'cd "$0" && exec "$@"'
        home = {"HOME": str(project.parent), "CGO_ENABLED": "1"}
        argv = ["/bin/sh", "-c", script, str(project), go, "build", "-o", "app", *arguments, "."]
        return equal(observe_both(argv, env=build_env | home | env))

    def test_everything_compiled(self, project: Path, build_env: dict[str, str]) -> None:
        both = self.build(project, build_env, "-a")

        assert both.ptrace.wait_status == 0
        assert len(both.ptrace.execs()) > 100
        assert sum(isinstance(event, SyscallError) for event in both.ptrace.events) > 1000

    def test_a_cross_build_that_fails(self, project: Path, build_env: dict[str, str]) -> None:
        both = self.build(project, build_env, GOARCH="arm64")

        assert os.waitstatus_to_exitcode(both.ptrace.wait_status) == 1
        assert "gcc" in "".join(e.text for e in both.ptrace.events if isinstance(e, Output))
