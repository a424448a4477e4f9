"""A configure script in a package's folder tries the tools out that the build uses; none of that is the package's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gotrace import load
from gotrace.events.tools import Role
from gotrace.scenario.loader import load as load_scenario
from gotrace.trace.summary import summary
from tests.integration.conftest import GotraceBuild

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "healthy-configure.toml"
BUILD = 'sh ./configure && go build . && "$(go env GOTOOLDIR)/compile" -V=full && gcc -v'


def test_its_trials_belong_to_no_package(
    gotrace_build: GotraceBuild,
    build_env: dict[str, str],
    tmp_path: Path,
    path: str,
    warm_cache: Path,
    backend: str,
) -> None:
    folder = tmp_path / "configured"
    folder.mkdir()
    for name, text in load_scenario(SCENARIO).files.items():
        (folder / name).write_text(text)
    env = {"PATH": path, "GOCACHE": str(warm_cache), "CGO_ENABLED": "1"}
    subprocess.run(["go", "build", "runtime/cgo", "syscall"], env=build_env | env, check=True, timeout=240)

    # The folder is new, so that its package is compiled, and the trace tells that it lies there.
    built = gotrace_build(["sh", "-c", BUILD], folder, env, backend=backend)

    trace = load(built.recording)
    tried = [span for span in trace.spans if any("conftest" in word for word in span.argv)]
    asked = [span for span in trace.spans if "-V=full" in span.argv or span.argv == ("gcc", "-v")]
    by_hand = [span for span in asked if span.build is None]
    assert (built.exit, built.findings) == (0, [])
    assert {Role.CC, Role.CC1, Role.COLLECT2, Role.LD} <= {span.role for span in tried if span.failed}
    assert [span.package for span in (*tried, *asked)] == [None] * len((*tried, *asked))
    assert {span.role for span in by_hand} == {Role.COMPILE, Role.CC}
    assert all(span.probe for span in asked)
    assert [span.package for span in trace.spans if span.compiled] == ["scenario"]
    assert summary(trace).packages == 1
    assert "1 package compiled" in built.stderr
