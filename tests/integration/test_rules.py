"""Each rule on its real failure, by both real tracers; then on the fix, where it must be silent.

The two must find the same: code, name, message, severity and the commands that fix it.

GOTRACE_SAVE_RECORDINGS=FOLDER keeps the recordings: tests/recordings/ was made so, and the unit tests read them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Found, GotraceBuild, Traced, conclusions_of
from tests.integration.projects import ADD, HEADER, LIBRARY, go_module, shared_library, with_stub

Build = Callable[..., Traced]
BUILD = ("go", "build", "-o", "app", ".")
ARM64 = {"GOARCH": "arm64", "CGO_ENABLED": "1"}
VENDORED = 'package lib\n\n// #cgo CFLAGS: -I${SRCDIR}/include\n// #include "lib.h"\nimport "C"\n\nconst V = C.V\n'


@pytest.fixture
def build(
    gotrace_build: GotraceBuild,
    warm_cache: Path,
    path: str,
    backend: str,
    found: Found,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Build:
    """`gotrace build` with the shared cache; `save` names the recording to keep."""
    test = request.node.nodeid.replace(backend, "")
    runs = itertools.count()

    def run(
        folder: Path, env: Mapping[str, str] | None = None, command: Sequence[str] = BUILD, save: str = ""
    ) -> Traced:
        variables = {"GOCACHE": str(warm_cache), "PATH": path, "HOME": str(folder.parent), "PWD": str(folder)}
        traced = gotrace_build(command, folder, variables | dict(env or {}), backend=backend)
        assert traced.report["source"] == backend
        conclusions = conclusions_of(traced, tmp_path)
        assert found.setdefault((test, next(runs)), conclusions) == conclusions
        if save and backend == "ebpf" and (keep := os.environ.get("GOTRACE_SAVE_RECORDINGS")):
            subprocess.run(
                ["zstd", "-q", "-f", "-19", traced.recording, "-o", Path(keep) / f"{save}.gotrace.zst"], check=True
            )
        return traced

    return run


def only_finding(traced: Traced, name: str) -> dict[str, Any]:
    """The first finding, which must be this one; and there is no second root cause."""
    assert traced.findings == [name], f"gotrace said:\n{traced.stderr}"
    return traced.finding(name)


def printed_command(finding: Mapping[str, Any], word: str) -> list[str]:
    """The command of the first fix that contains a word."""
    commands = [fix["command"] for fix in finding["fix"] if fix["command"] and word in " ".join(fix["command"])]
    assert commands, f"no fix with {word}: {finding['fix']}"
    return list(commands[0])


def assert_clean(traced: Traced) -> None:
    assert (traced.exit, traced.findings) == (0, []), f"gotrace said:\n{traced.stderr}"
    assert traced.report["lost"] == []
    assert traced.report["not_evaluated"] == []


class TestWrongTargetCompiler:
    def test_the_hosts_compiler_in_a_cross_build(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        failed = build(project, ARM64, save="wrong-target-compiler")

        assert failed.exit == 1
        finding = only_finding(failed, "wrong-target-compiler")
        assert "linux/arm64" in finding["message"]
        assert "x86_64-linux-gnu" in finding["message"]
        assert any("execve(" in evidence["text"] for evidence in finding["evidence"])
        command = printed_command(finding, "CC=")
        assert command == ["env", "CGO_ENABLED=1", "GOARCH=arm64", "CC=aarch64-linux-gnu-gcc", *BUILD]

        assert_clean(build(project, command=command, save="wrong-target-compiler.fixed"))

    def test_a_cross_compiler_in_a_native_build(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        cross = {"CC": "aarch64-linux-gnu-gcc", "CGO_ENABLED": "1"}

        finding = only_finding(build(project, cross, save="cross-compiler-in-native-build"), "wrong-target-compiler")

        assert "aarch64-linux-gnu" in finding["message"]
        assert_clean(build(project, command=printed_command(finding, "CC=")))

    def test_a_compiler_for_linux_in_a_build_for_windows(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        finding = only_finding(build(project, {"GOOS": "windows", "CGO_ENABLED": "1"}), "wrong-target-compiler")

        assert "windows/amd64" in finding["message"]
        assert "CC=x86_64-w64-mingw32-gcc" in printed_command(finding, "CC=")

    def test_a_cpp_compiler_that_nobody_chose(self, build: Build, tmp_path: Path, tool: Callable[[str], str]) -> None:
        tool("g++")
        project = go_module(tmp_path / "app", {"main.go": ADD, "f.cc": "int f() { return 1; }\n"})

        failed = build(project, {**ARM64, "CC": "aarch64-linux-gnu-gcc"})

        finding = only_finding(failed, "wrong-target-compiler")
        assert "CXX is not set" in finding["message"]
        assert "CXX=aarch64-linux-gnu-g++" in printed_command(finding, "CXX=")
        installs = [fix["command"] for fix in finding["fix"] if "apt-get" in (fix["command"] or ())]
        there = shutil.which("aarch64-linux-gnu-g++") is not None
        assert [command[-2] for command in installs] == ([] if there else ["g++-aarch64-linux-gnu"])


class TestMissingTargetHeaders:
    @pytest.mark.root("hides a folder")
    def test_a_cross_compiler_without_its_c_library(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        env = {**ARM64, "CC": "aarch64-linux-gnu-gcc"}
        hide = "mount -t tmpfs none /usr/aarch64-linux-gnu/include && exec go build -o app ."

        failed = build(project, env, ("unshare", "-m", "sh", "-c", hide), save="missing-target-headers")

        finding = only_finding(failed, "missing-target-headers")
        assert printed_command(finding, "install")[-1] == "libc6-dev-arm64-cross"
        # With the package there, as it is on this machine, the same build passes.
        assert_clean(build(project, env, save="missing-target-headers.fixed"))

    def test_32_bit_headers_on_a_64_bit_machine(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        # One package at a time: which header is missed first depends on which of two is compiled first.
        command = ("go", "build", "-p", "1", "-o", "app", ".")
        failed = build(project, {"GOARCH": "386", "CGO_ENABLED": "1"}, command)
        finding = only_finding(failed, "missing-target-headers")

        assert printed_command(finding, "install")[-1] == "gcc-multilib"


class TestCompilerNotFound:
    def test_no_compiler_in_path(self, build: Build, tmp_path: Path, go_only: str) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        env = {"PATH": go_only, "CGO_ENABLED": "1"}

        failed = build(project, env, save="compiler-not-found")

        finding = only_finding(failed, "compiler-not-found")
        assert finding["process"]["role"] in {"cgo", "go"}
        assert any(f'"{go_only}/gcc"' in evidence["text"] for evidence in finding["evidence"])
        assert "there is one at /usr/bin/gcc" in finding["message"]
        assert_clean(build(project, command=printed_command(finding, "PATH="), save="compiler-not-found.fixed"))

    @pytest.mark.parametrize("cc", ["no-such-cc", "/opt/nowhere/bin/gcc"])
    def test_cc_names_what_is_not_there(self, build: Build, tmp_path: Path, cc: str) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        finding = only_finding(build(project, {"CC": cc, "CGO_ENABLED": "1"}), "compiler-not-found")

        assert cc in finding["message"]

    def test_a_compiler_script_whose_interpreter_is_missing(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        script = tmp_path / "mycc"
        script.write_text('#!/opt/nowhere/sh\nexec gcc "$@"\n')
        script.chmod(0o755)

        finding = only_finding(build(project, {"CC": str(script), "CGO_ENABLED": "1"}), "compiler-not-found")

        assert "interpreter" in finding["message"]

    def test_a_path_with_a_blank_that_is_a_compiler(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        folder = tmp_path / "my dir"
        folder.mkdir()
        (folder / "gcc").symlink_to("/usr/bin/gcc")

        finding = only_finding(build(project, {"CC": f"{folder}/gcc"}), "compiler-not-found")

        assert "split at its blanks" in finding["message"]
        assert_clean(build(project, command=printed_command(finding, "CC=")))

    def test_a_command_with_another_way_around(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        traced = build(project, command=("sh", "-c", "CC=nope go build -o app . || go build -o app ."))

        assert traced.exit == 0
        finding = only_finding(traced, "compiler-not-found")
        assert finding["severity"] == "warning"
        assert "the command went on and succeeded" in finding["message"]


class TestMissingHeader:
    def test_a_header_that_is_nowhere(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": HEADER.format()})

        failed = build(project, save="missing-header")

        finding = only_finding(failed, "missing-header")
        assert "foo/foo.h" in finding["message"]
        assert "main.go:3" in finding["message"]
        (project / "include" / "foo").mkdir(parents=True)
        (project / "include" / "foo" / "foo.h").write_text("")
        assert_clean(build(project, {"CGO_CFLAGS": f"-I{project}/include"}, save="missing-header.fixed"))

    def test_the_package_that_has_it_is_named(self, build: Build, tmp_path: Path) -> None:
        assert not Path("/usr/include/leveldb/c.h").exists(), "this test needs a machine without libleveldb-dev"
        source = HEADER.format().replace("foo/foo.h", "leveldb/c.h")
        project = go_module(tmp_path / "app", {"main.go": source})

        finding = only_finding(build(project, save="missing-header-of-a-package"), "missing-header")

        assert printed_command(finding, "install")[-1] == "libleveldb-dev"

    def test_a_header_in_quotes_names_no_package(self, build: Build, tmp_path: Path) -> None:
        source = HEADER.format().replace("<foo/foo.h>", '"common.h"')
        project = go_module(tmp_path / "app", {"main.go": source})

        finding = only_finding(build(project), "missing-header")

        assert [fix["command"] for fix in finding["fix"]] == [None]
        assert "a file of the project's own" in finding["fix"][0]["text"]

    def test_the_hosts_headers_in_a_cross_build(self, build: Build, tmp_path: Path) -> None:
        assert not Path("/usr/include/x86_64-linux-gnu/gnu/stubs-32.h").exists(), "this test needs no 32-bit libc"
        project = go_module(tmp_path / "app", {"main.go": ADD})
        env = {**ARM64, "CC": "aarch64-linux-gnu-gcc", "CGO_CFLAGS": "-I/usr/include/x86_64-linux-gnu"}

        finding = only_finding(build(project, env), "missing-header")

        assert "-I/usr/include/x86_64-linux-gnu (in CGO_CFLAGS) brings headers for linux/amd64" in finding["message"]
        assert_clean(build(project, command=printed_command(finding, "CGO_CFLAGS=")))

    def test_what_go_mod_vendor_left_out(self, build: Build, tmp_path: Path, tool: Callable[[str], str]) -> None:
        go = tool("go")
        go_module(tmp_path / "lib", {"lib.go": VENDORED, "go.mod": "module ex/lib\n", "include/lib.h": "#define V 3\n"})
        main = 'package main\n\nimport "ex/lib"\n\nfunc main() { println(lib.V) }\n'
        requires = "module ex/app\n\ngo 1.21\n\nrequire ex/lib v1.0.0\n\nreplace ex/lib => ../lib\n"
        project = go_module(tmp_path / "app", {"main.go": main, "go.mod": requires})
        subprocess.run([go, "mod", "vendor"], cwd=project, env={**os.environ, "GOFLAGS": ""}, check=True)

        finding = only_finding(build(project), "vendored-files-missing")

        assert "`go mod vendor` drops folders without Go files" in finding["fix"][0]["text"]
        assert_clean(build(project, command=printed_command(finding, "-mod=mod")))


class TestMissingLibrary:
    def test_a_library_that_is_nowhere(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": LIBRARY})

        finding = only_finding(build(project, save="missing-library"), "missing-library")

        assert "-lfoo" in finding["message"]
        shared_library(tmp_path / "lib", "libfoo.so")
        assert_clean(build(project, {"CGO_LDFLAGS": f"-L{tmp_path}/lib"}, save="missing-library.fixed"))

    def test_only_the_run_time_library_is_there(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": LIBRARY})
        library = shared_library(tmp_path / "lib", "libfoo.so.1")
        env = {"CGO_LDFLAGS": f"-L{tmp_path}/lib"}

        finding = only_finding(build(project, env, save="missing-library-development-link"), "missing-library")

        assert "libfoo.so.1" in finding["message"]
        link = printed_command(finding, "ln")
        subprocess.run(link, check=True)
        assert (library.parent / "libfoo.so").resolve() == library
        assert_clean(build(project, env))

    def test_a_text_file_is_no_library_of_another_machine(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": LIBRARY.replace("#cgo LDFLAGS: -lfoo", "")})
        (tmp_path / "libfoo.so").write_text("hello\n")

        failed = build(project, {"CGO_LDFLAGS": f"{tmp_path}/libfoo.so"})

        assert (failed.exit, failed.findings) == (1, [])

    def test_a_library_for_another_machine_by_its_path(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": LIBRARY.replace("#cgo LDFLAGS: -lfoo", "")})
        library = shared_library(tmp_path / "lib", "libfoo.so", cc="aarch64-linux-gnu-gcc")

        finding = only_finding(build(project, {"CGO_LDFLAGS": str(library)}), "missing-library")

        assert f"{library} is for another machine (aarch64)" in finding["message"]


class TestCgoDisabled:
    def test_a_cross_build_turns_cgo_off(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        failed = build(project, {"GOARCH": "arm64"}, save="cgo-disabled-by-cross-build")

        assert failed.exit == 1
        finding = only_finding(failed, "cgo-disabled")
        assert "main.go" in finding["message"]
        assert_clean(build(project, command=printed_command(finding, "CC="), save="cgo-disabled-by-cross-build.fixed"))

    def test_a_missing_compiler_ships_the_stub(self, build: Build, tmp_path: Path, go_only: str) -> None:
        project = with_stub(tmp_path / "app")

        shipped = build(project, {"PATH": go_only}, save="cgo-disabled-by-missing-compiler")

        assert shipped.exit == 0
        finding = only_finding(shipped, "cgo-disabled")
        assert finding["severity"] == "warning"
        assert "ex/app/store" in finding["message"]
        assert_clean(build(project, {"CGO_ENABLED": "1"}, save="cgo-disabled-by-missing-compiler.fixed"))

    def test_a_user_who_turned_it_off_meant_it(self, build: Build, tmp_path: Path, go_only: str) -> None:
        project = with_stub(tmp_path / "app")

        assert_clean(build(project, {"CGO_ENABLED": "0", "PATH": go_only}, save="cgo-turned-off-on-purpose"))

    def test_turned_off_on_purpose_and_nothing_left_to_build(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})

        finding = only_finding(build(project, {"CGO_ENABLED": "0"}), "cgo-disabled")
        assert finding["message"].startswith("CGO_ENABLED=0 is set in the environment, so no Go file of ex/app (")
        assert_clean(build(project, command=printed_command(finding, "CGO_ENABLED=1")))

    def test_turned_off_on_purpose_and_broken_by_something_else(self, build: Build, tmp_path: Path) -> None:
        """What ./... passes over in silence is no cause of the failure of another package."""
        project = go_module(tmp_path / "app", {"c/a.go": ADD, "b/b.go": "package b\n\nvar x int = y\n"})
        failed = build(project, {"CGO_ENABLED": "0"}, ("go", "build", "./..."))

        assert (failed.exit, failed.findings) == (1, [])

    def test_the_standard_library_without_cgo_is_no_loss(self, build: Build, tmp_path: Path, go_only: str) -> None:
        source = 'package main\n\nimport "net"\n\nfunc main() { println(net.IPv4len) }\n'
        project = go_module(tmp_path / "app", {"main.go": source})

        assert_clean(build(project, {"PATH": go_only}))

    def test_every_package_that_lost_its_c_part_is_named(self, build: Build, tmp_path: Path) -> None:
        stub = "//go:build !cgo\n\npackage main\n\nfunc main() {}\n"
        files = {"excluded/a.go": ADD, "stubbed/a.go": ADD, "stubbed/b.go": stub}
        project = go_module(tmp_path / "app", files)

        failed = build(project, {"GOARCH": "arm64"}, ("go", "build", "./excluded", "./stubbed"))

        finding = only_finding(failed, "cgo-disabled")
        assert finding["message"].index("ex/app/stubbed") < finding["message"].index("ex/app/excluded")


class TestHealthyBuilds:
    """None of these may raise a finding."""

    def test_cold_with_everything_compiled(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        cold = build(project, {"GOCACHE": str(tmp_path / "cold")}, save="healthy-cold")
        assert_clean(cold)
        assert cold.report["counts"]["execs"] > 200

    def test_warm_then_cached(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD})
        assert_clean(build(project))
        assert_clean(build(project))

    @pytest.mark.parametrize(
        "command",
        [("go", "test", "./..."), ("go", "vet", "./..."), ("go", "run", "."), ("go", "list", "-export", "./...")],
        ids=" ".join,
    )
    def test_other_go_commands(self, build: Build, tmp_path: Path, command: tuple[str, ...]) -> None:
        test = 'package main\n\nimport "testing"\n\nfunc TestNothing(t *testing.T) {}\n'
        assert_clean(build(go_module(tmp_path / "app", {"main.go": ADD, "a_test.go": test}), command=command))

    @pytest.mark.parametrize("mode", ["c-shared", "c-archive", "pie"])
    def test_build_modes(self, build: Build, tmp_path: Path, mode: str) -> None:
        source = ADD.replace("func main", "//export Answer\nfunc Answer() int { return 42 }\n\nfunc main")
        source = source.replace("static int add", "static inline int add")
        project = go_module(tmp_path / "app", {"main.go": source})
        assert_clean(build(project, command=("go", "build", f"-buildmode={mode}", "-o", "out", ".")))

    def test_through_make_and_a_shell(self, build: Build, tmp_path: Path) -> None:
        project = go_module(tmp_path / "app", {"main.go": ADD, "Makefile": "all:\n\tgo build -o app .\n"})
        assert_clean(build(project, command=("make", "-s")))

    def test_ccache_in_front(self, build: Build, tmp_path: Path, tool: Callable[[str], str]) -> None:
        tool("ccache")
        folder = tmp_path / "wrappers"
        folder.mkdir()
        (folder / "gcc").symlink_to(shutil.which("ccache") or "")
        project = go_module(tmp_path / "app", {"main.go": ADD})
        env = {"PATH": f"{folder}:{os.environ['PATH']}", "CCACHE_DIR": str(tmp_path / "ccache")}
        assert_clean(build(project, env))
