"""`gotrace attach --container` on a server in a container that a real runtime has made (runc, which is Docker's)."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gotrace.events.model import Dlopen, Exec, SyscallError
from tests.integration import serving
from tests.integration.attaching import Attached
from tests.integration.conftest import GOTRACE
from tests.integration.serving import Server

pytestmark = pytest.mark.root("making a container needs root")
LIBRARIES = ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6")
RUN = 'exec "$1" --root "$2" run --bundle "$3" "$4"'


@pytest.fixture(scope="module")
def runc(tool: Callable[[str], str]) -> str:
    return tool("runc")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, runc: str, tool: Callable[[str], str]) -> Path:
    """What a container is made from: its files, the server and its libraries, and what they are run with."""
    tool("gcc")
    folder = tmp_path_factory.mktemp("bundle")
    program = serving.build(tool("go"), folder / "source")
    for file in (*LIBRARIES, program):
        inside = folder / "rootfs" / ("server" if file == program else str(file).lstrip("/"))
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, inside)
    subprocess.run([runc, "spec"], cwd=folder, check=True)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config["process"] |= {"args": ["/server"], "terminal": False}
    # Its port is to be reached from here; the other namespaces, the capabilities and the read-only root are runc's own.
    config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "network"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@contextmanager
def container(runc: str, bundle: Path, state: Path) -> Iterator[tuple[str, Server]]:
    """One that runs, and its id."""
    identity = secrets.token_hex(32)
    try:
        with Server(bundle / "server", "sh", "-c", RUN, "sh", runc, str(state), str(bundle), identity) as server:
            yield identity, server
    finally:
        subprocess.run([runc, "--root", state, "delete", "--force", identity], check=False, capture_output=True)


def test_the_program_in_the_container_is_watched(tmp_path: Path, runc: str, bundle: Path, backend: str) -> None:
    with container(runc, bundle, tmp_path / "state") as (identity, server):
        with Attached(tmp_path, "--container", identity[:12], "--backend", backend) as attached:
            assert server.ask("/dl") == "1"
            server.ask("/fail")
            assert server.ask("/child")
            told = attached.stop()
        assert server.ask("/") == "hello"

    assert told.exit == 0
    pid = told.header.attached
    assert [image.argv for image in told.of(Exec, pid)] == [("/server",)]
    assert pid != server.pid  # that one is runc's
    assert [(event.filename, bool(event.handle)) for event in told.of(Dlopen)] == [("libm.so.6", True)]
    if backend == "ebpf":  # ptrace: with --syscalls only
        assert ("/nonexistent/file",) in {event.paths for event in told.of(SyscallError)}


def test_no_such_container(tmp_path: Path, runc: str, bundle: Path) -> None:
    with container(runc, bundle, tmp_path / "state") as (identity, _):
        other = identity[::-1]
        done = subprocess.run(
            [GOTRACE, "attach", "--container", other], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert f"there is no process in a container whose id begins with {other}" in " ".join(done.stderr.split())
