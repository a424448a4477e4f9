"""`gotrace attach` on a Go server that runs: what it sees, how it ends, and that the server never notices."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gotrace.events.model import Dlopen, Dlsym, Exec, Exit, Fork, Frame, Library, Signal, SyscallError
from gotrace.events.recording import read_recording
from gotrace.sources.ebpf import unit
from gotrace.sources.ebpf.uprobes import points_of
from tests.integration import serving
from tests.integration.attaching import Attached
from tests.integration.conftest import GOTRACE
from tests.integration.serving import Load, Server
from tests.integration.watching import nothing_loaded_of, status_of, wait_for

pytestmark = pytest.mark.root("attaching by eBPF needs root")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], str]) -> Path:
    tool("gcc")
    return serving.build(tool("go"), tmp_path_factory.mktemp("server"))


@pytest.fixture
def server(program: Path) -> Iterator[Server]:
    with Server(program) as running:
        yield running


def attach(tmp_path: Path, server: Server, backend: str, *options: str | float) -> Attached:
    return Attached(tmp_path, server.pid, "--backend", backend, *options)


def test_each_call_of_the_loader_is_seen_with_its_caller(
    tmp_path: Path, server: Server, program: Path, backend: str
) -> None:
    server.ask("/dl")
    with attach(tmp_path, server, backend) as attached:
        for _ in range(23):
            assert server.ask("/dl") == "1"
        told = attached.stop()

    assert told.exit == 0
    assert [event for event in told.events if type(event).__name__ == "Lost"] == []
    assert [(event.filename, bool(event.handle)) for event in told.of(Dlopen)] == [("libm.so.6", True)] * 23
    asked = [(event.symbol, bool(event.address)) for event in told.of(Dlsym)]
    assert sorted(asked) == [("cos", True)] * 23 + [("no_such_symbol", False)] * 23
    callers = {event.caller.module for event in told.of(Dlsym) if event.caller is not None}
    assert callers == {str(program)}
    assert all((event.caller or Frame(0)).symbol.endswith("_Cfunc_look") for event in told.of(Dlsym))


def test_the_program_and_its_libraries_are_known_as_they_were(
    tmp_path: Path, server: Server, program: Path, backend: str
) -> None:
    with attach(tmp_path, server, backend) as attached:
        told = attached.stop()

    [image] = told.of(Exec, server.pid)
    assert (image.path, image.argv) == (str(program), (str(program),))
    names = {Path(event.path).name for event in told.of(Library, server.pid)}
    assert {"server", "libc.so.6", "[vdso]"} <= names
    assert (told.header.attached, told.header.running) == (server.pid, True)
    assert "from_start" not in told.header.observes
    assert told.report["command"]["argv"] == [str(program)]
    assert told.report["command"]["exit"] is None
    assert f"process {server.pid} was watched, which runs on" in " ".join(told.stderr.split())


def test_each_failing_call_is_seen(tmp_path: Path, server: Server) -> None:
    with attach(tmp_path, server, "ebpf") as attached:
        for _ in range(23):
            server.ask("/fail")
        told = attached.stop()

    failed = [event for event in told.of(SyscallError) if event.paths == ("/nonexistent/file",)]
    assert sum(event.repeat for event in failed) == 23
    assert {event.pid for event in failed} == {server.pid}
    assert any(frame.symbol == "main.main.func3" for frame in failed[0].stack)


def test_children_that_come_later_are_followed(tmp_path: Path, server: Server, backend: str) -> None:
    with attach(tmp_path, server, backend) as attached:
        server.ask("/child")
        told = attached.stop()

    [image] = [event for event in told.of(Exec) if event.pid != server.pid]
    child = image.pid
    assert child in [event.child_pid for event in told.of(Fork, server.pid)]
    assert (image.path, image.argv, image.error) == ("/bin/sh", ("/bin/sh", "-c", "exit 7"), 0)
    assert [event.status for event in told.of(Exit, child)] == [7]


def test_children_that_are_there_are_followed(tmp_path: Path, program: Path, backend: str) -> None:
    with Server(program, "sh", "-c", '"$1" & wait', "sh") as parent:
        server = wait_for(lambda: next(iter(children_of(parent.pid)), 0))
        with attach(tmp_path, parent, backend) as attached:
            parent.ask("/dl")
            told = attached.stop()
        os.kill(server, signal.SIGKILL)

    assert [event.child_pid for event in told.of(Fork, parent.pid)] == [server]
    assert told.of(Exec, server)[0].path == str(program)
    assert len(told.of(Dlopen, server)) == 1


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_crash_is_seen_with_the_go_function_that_called_into_c(tmp_path: Path, server: Server, backend: str) -> None:
    with attach(tmp_path, server, backend) as attached:
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            server.ask("/crash")
        told = attached.end()

    [crash] = [event for event in told.of(Signal, server.pid) if event.signal == signal.SIGSEGV]
    assert crash.address == 0x1234
    symbols = [frame.symbol for frame in crash.stack]
    assert symbols[0].endswith(("crash", "_Cfunc_crash"))
    assert any(symbol.startswith("main.main.func") for symbol in symbols)
    assert told.report["command"]["exit"] == 2
    assert told.exit == 1
    assert " crashed: SIGSEGV, " in told.stderr
    assert "cannot be judged" not in told.stderr


def test_a_finding_is_one_of_a_run(tmp_path: Path, server: Server, backend: str) -> None:
    with attach(tmp_path, server, backend) as attached:
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            server.ask("/null")
        told = attached.end()

    assert told.exit == 1
    finding = told.report["findings"][0]
    assert finding["name"] == "null-symbol-called"
    assert "SSL_library_init" in finding["message"]


def test_it_ends_with_the_program(tmp_path: Path, server: Server, backend: str) -> None:
    with attach(tmp_path, server, backend) as attached:
        server.ask("/end")
        told = attached.end()

    assert told.report["command"]["exit"] == 3
    assert [event.status for event in told.of(Exit, server.pid)] == [3]


def test_it_ends_after_a_time(tmp_path: Path, server: Server, backend: str) -> None:
    with attach(tmp_path, server, backend, "--duration", 0.5) as attached:
        told = attached.end()

    assert 0.4 < told.report["command"]["seconds"] < 60
    assert server.ask() == "hello"


def test_a_script_ends_what_it_started_in_the_background(tmp_path: Path, server: Server, backend: str) -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as a shell without job control does for `command &`
    with Attached(tmp_path, server.pid, "--backend", backend, by=ignoring) as attached:
        server.ask("/dl")
        told = attached.stop(signal.SIGINT)

    assert (told.exit, len(told.of(Dlopen))) == (0, 1)
    assert as_it_was(server.pid)


def test_the_process_is_found_by_its_name(tmp_path: Path, program: Path, backend: str) -> None:
    other = program.with_name("a-name-of-its-own")
    if not other.exists():
        other.hardlink_to(program)
    with Server(other) as server, Attached(tmp_path, "--name", other.name, "--backend", backend) as attached:
        told = attached.stop()

    assert told.header.attached == server.pid


def test_a_server_under_load_answers_through_many_attachments(tmp_path: Path, server: Server, backend: str) -> None:
    with Load(server) as load:
        for _ in range(5):
            with attach(tmp_path, server, backend) as attached:
                load.wait_for_more(50)
                server.ask("/dl")  # among the others there may be none that began and ended meanwhile
                told = attached.stop()
            assert told.of(Dlopen)
        load.wait_for_more(50)

    assert load.failures == []
    assert server.process.poll() is None
    assert as_it_was(server.pid)


def as_it_was(pid: int) -> bool:
    """No tracer, nobody stopped, and the C library's code is that of its file."""
    states = [status_of(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()]
    return (
        all(state.get("TracerPid", "0") == "0" for state in states)
        and not any(state.get("State", "").startswith(("T", "t")) for state in states)
        and changed_code(pid) == 0
    )


def changed_code(pid: int) -> int:
    """How many bytes of its C library differ from the file, but for those where somebody's uprobes may be."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split()
        if fields[1].startswith("r-x") and fields[-1].endswith("/libc.so.6"):
            start, end = (int(one, 16) for one in fields[0].split("-"))
            offset = int(fields[2], 16)
            with open(f"/proc/{pid}/mem", "rb") as memory, open(fields[-1], "rb") as file:  # noqa: PTH123
                now, then = os.pread(memory.fileno(), end - start, start), os.pread(file.fileno(), end - start, offset)
                probed = {place for place, _ in points_of(file.fileno(), unit.constants(running=True)).places}
            differ = {offset + at for at, (one, other) in enumerate(zip(now, then, strict=False)) if one != other}
            return len(differ - probed)
    raise AssertionError("no C library")


def test_nothing_is_left_where_gotrace_is_killed(tmp_path: Path, server: Server, backend: str) -> None:
    with Load(server) as load:
        with attach(tmp_path, server, backend) as attached:
            load.wait_for_more(20)
            programs = attached.programs()
            assert bool(programs) == (backend == "ebpf")
            attached.process.kill()
            attached.process.wait()
            wait_for(lambda: not attached.processes())
        wait_for(lambda: nothing_loaded_of(programs))
        wait_for(lambda: as_it_was(server.pid))
        load.wait_for_more(50)

    assert load.failures == []
    assert server.process.poll() is None


def test_the_guardian_takes_over_where_the_tracer_is_killed(tmp_path: Path, server: Server) -> None:
    """The server calls the loader only before and after: whoever waits in a breakpoint's very stop cannot be saved."""
    server.ask("/dl")
    with attach(tmp_path, server, "ptrace") as attached:
        server.ask("/dl")
        planted = changed_code(server.pid)
        os.kill(int(status_of(server.pid)["TracerPid"]), signal.SIGKILL)
        wait_for(lambda: as_it_was(server.pid))
        for _ in range(23):
            assert server.ask("/dl") == "1"
        told = attached.end()

    assert planted > 0
    assert told.exit == 2
    assert "gotrace: error: the tracer was killed" in told.stderr
    assert f"process {server.pid} runs on, and is watched no longer" in told.stderr
    assert server.process.poll() is None
    assert any("the tracer was killed" in sentence for sentence in told.header.degraded)
    with attach(tmp_path, server, "ptrace") as attached:
        server.ask("/dl")
        assert len(attached.stop().of(Dlopen)) == 1


IN_A_NAMESPACE = """\
"$1" > port & server=$!
while [ ! -s port ]; do sleep 0.05; done
while exec 3<>/dev/tcp/127.0.0.1/$(cat port); do printf 'GET /dl HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3; sleep 0.1; done &
"$2" attach --backend "$3" --duration 1 -q -o seen.gotrace $server
status=$?
kill $server
exit $status
"""


def test_processes_of_another_pid_namespace_have_its_numbers(tmp_path: Path, program: Path, backend: str) -> None:
    done = subprocess.run(
        ["unshare", "-pf", "--mount-proc", "bash", "-c", IN_A_NAMESPACE, "bash", program, GOTRACE, backend],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = read_recording(tmp_path / "seen.gotrace")
    assert seen.header.attached < 100
    assert {event.pid for event in seen.events if isinstance(event, Dlopen)} == {seen.header.attached}


def test_failing_calls_are_seen_by_ptrace_where_that_is_asked_for(tmp_path: Path, server: Server) -> None:
    with attach(tmp_path, server, "ptrace", "--syscalls") as attached:
        for _ in range(23):
            server.ask("/fail")
        told = attached.stop()

    failed = [event for event in told.of(SyscallError) if event.paths == ("/nonexistent/file",)]
    assert sum(event.repeat for event in failed) == 23
    assert {event.pid for event in failed} == {server.pid}
    assert as_it_was(server.pid)


def test_a_program_that_only_its_mount_namespace_has(tmp_path: Path, program: Path, backend: str) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    inside = 'mount -t tmpfs none "$1" && cp "$2" "$1/app" && exec "$1/app"'
    with Server(program, "unshare", "-m", "sh", "-c", inside, "sh", str(folder)) as server:
        assert list(folder.iterdir()) == []
        with attach(tmp_path, server, backend) as attached:
            server.ask("/dl")
            told = attached.stop()

    [image] = told.of(Exec, server.pid)
    assert (image.path, image.mount_namespace != 0) == (str(folder / "app"), True)
    assert len(told.of(Dlopen)) == 1
    assert all((event.caller or Frame(0)).symbol.endswith("_Cfunc_look") for event in told.of(Dlsym))
