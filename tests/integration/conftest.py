"""What the integration tests share: the real gotrace command, a build cache of their own, tools that must be there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.build_caches import fill
from tests.integration.observing import by_sudo

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
GOTRACE = Path(sys.executable).parent / "gotrace"


@dataclass(frozen=True)
class Traced:
    """What came out of one `gotrace build`."""

    exit: int
    stdout: str
    stderr: str
    report: dict[str, Any]
    """The JSON report."""
    recording: Path

    @property
    def findings(self) -> list[str]:
        """Names of the findings, root cause first."""
        return [finding["name"] for finding in self.report["findings"]]

    def finding(self, name: str) -> dict[str, Any]:
        """The finding of that name; a test that asks for one that is not there fails with the report."""
        for finding in self.report["findings"]:
            if finding["name"] == name:
                return dict(finding)
        raise AssertionError(f"no finding {name} among {self.findings}; gotrace said:\n{self.stderr}")


GotraceBuild = Callable[..., Traced]
Found = dict[tuple[str, int], list[Any]]
"""What the builds of a test led to: by its name without the backend, and the number of the build."""


def conclusions_of(traced: Traced, tmp_path: Path) -> list[Any]:
    """What a user reads of the findings; the folders of the test have other names in each run."""
    conclusions = [
        [finding[key] for key in ("code", "name", "severity", "message")] + [fix["command"] for fix in finding["fix"]]
        for finding in traced.report["findings"]
    ]
    text = json.dumps([traced.exit, conclusions]).replace(str(tmp_path), "TMP")
    return list(json.loads(re.sub(r"/go-build\d+/|(?<=cgo-gcc-input-)\d+", "/BUILD/", text)))


@pytest.fixture(scope="session")
def privileges() -> tuple[str, ...]:
    """The options with which gotrace may trace here: none for root, --sudo where sudo asks for no password."""
    return ("--sudo",) if by_sudo() else ()


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Path of a program that the test cannot do without."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed; `make setup` installs it")
        return path

    return find


@pytest.fixture
def build_env(warm_cache: Path) -> dict[str, str]:
    """An environment in which only the test decides: nothing of Go or C set, the tests' build cache, English words."""
    decides_builds = (
        "GO",
        "CGO_",
        "CC",
        "CXX",
        "CPATH",
        "C_INCLUDE_PATH",
        "LIBRARY_PATH",
        "PKG_CONFIG",
        "LD_",
        "CCACHE",
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(decides_builds)}
    return env | {
        "GOCACHE": str(warm_cache),
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def gotrace_build(tmp_path: Path, build_env: dict[str, str], privileges: tuple[str, ...]) -> GotraceBuild:
    """Runs `gotrace build` on a command, as a user would.

    Called with the command, its folder, variables to add (None removes one), further options of gotrace, and where
    its events shall come from ("auto" is the best that works here).
    """
    runs = 0

    def run(
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str | None] | None = None,
        options: Sequence[str] = (),
        backend: str = "auto",
    ) -> Traced:
        nonlocal runs
        runs += 1
        report, recording = tmp_path / f"report-{runs}.json", tmp_path / f"recording-{runs}.gotrace"
        variables = build_env | {name: value for name, value in (env or {}).items() if value is not None}
        for name in (name for name, value in (env or {}).items() if value is None):
            variables.pop(name, None)
        as_asked = ["--backend", backend, *(() if backend == "ptrace" else privileges)]
        if "--sudo" in as_asked and shutil.which("sudo", path=variables.get("PATH")) is None:
            pytest.skip("not root: eBPF needs that, or sudo, which the PATH of this test has not")
        outputs = ["--report", f"json:{report}", "-o", str(recording)]
        done = subprocess.run(
            [GOTRACE, "build", *as_asked, *outputs, *options, "--", *command],
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            timeout=240,
        )
        assert report.is_file(), f"gotrace wrote no report; exit {done.returncode}, stderr:\n{done.stderr}"
        return Traced(done.returncode, done.stdout, done.stderr, json.loads(report.read_text()), recording)

    return run


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a folder of examples/, so that a test may change it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))

    return copy


@pytest.fixture(params=["ebpf", "ptrace"])
def backend(request: pytest.FixtureRequest) -> str:
    """Where the events come from."""
    return str(request.param)


@pytest.fixture(scope="session")
def found() -> Found:
    """What the one backend found, for the other to compare."""
    return {}


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One build cache for all: what fails is never cached, and the standard library is compiled once.

    Processes of pytest-xdist share it as well.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "go-build-cache"
    if not folder.exists():
        filled = Path(tempfile.mkdtemp(dir=folder.parent))
        fill(filled)
        with suppress(OSError):  # another process has just done so
            filled.rename(folder)
        shutil.rmtree(filled, ignore_errors=True)
    return folder


@pytest.fixture
def path(tool: Callable[[str], str]) -> str:
    """The folders of go, of the system's tools, and no other."""
    tool("gcc")
    return os.pathsep.join(dict.fromkeys([str(Path(tool("go")).parent), "/usr/bin", "/bin"]))


@pytest.fixture
def go_only(tmp_path: Path, tool: Callable[[str], str]) -> str:
    """A PATH in which there is go, and no C compiler."""
    folder = tmp_path / "go-only"
    folder.mkdir()
    (folder / "go").symlink_to(Path(tool("go")).resolve())
    return str(folder)
