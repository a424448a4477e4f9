"""Facts asked from the real go command, real compilers and the real disk, after builds told by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gotrace.capture.facts import gather
from gotrace.events.model import Fact, KnownEvent
from gotrace.events.recording import Header
from tests.stories import Story

_STUBBED = {
    "go.mod": "module example.org/stubbed\n\ngo 1.21\n",
    "main.go": 'package main\n\nimport "example.org/stubbed/storage"\n\nfunc main() { println(storage.Name()) }\n',
    "storage/cgo.go": """\
//go:build cgo && !no_sqlite

package storage

// static const char *name(void) { return "C"; }
import "C"

func Name() string { return C.GoString(C.name()) }
""",
    "storage/stub.go": """\
//go:build !cgo || no_sqlite

package storage

func Name() string { return "stub" }
""",
}
_CGO_ONLY = {
    "go.mod": "module example.org/only\n\ngo 1.21\n",
    "main.go": """\
package main

// static int add(int a, int b) { return a + b; }
import "C"

func main() { println(C.add(20, 22)) }
""",
}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; `make setup` installs it")
    return found


def module(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def environment(**changes: str) -> dict[str, str]:
    """What a user's shell would have, without the settings of the user who runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "GOENV": "off", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", **changes}


def facts(
    events: list[KnownEvent], folder: Path, env: Mapping[str, str], *, failed: bool = False, seconds: float = 60
) -> list[Fact]:
    ticks = iter(range(1, 1_000))
    return gather(
        Header(), events, failed=failed, env=env, cwd=str(folder), now_ns=lambda: next(ticks), seconds=seconds
    )


def after_go(line: str, folder: Path, *, status: int = 0, **changes: str) -> dict[str, dict[str, Any]]:
    """Facts by "name subject" after a go command that is told, not run."""
    env = environment(**changes)
    story = Story()
    pid = story.starts(*line.split(), path=program("go"), env=env, cwd=str(folder))
    story.ends(pid, status=status)
    found = facts(story.events, folder, env, failed=status != 0)
    return {f"{fact.name} {fact.subject}".strip(): dict(fact.data) for fact in found}


def test_go_env_is_what_the_build_saw(tmp_path: Path) -> None:
    folder = module(tmp_path, _STUBBED)
    data = after_go("go build .", folder, GOOS="linux", GOARCH="arm64", GOARM64="v8.1")[f"goenv {program('go')}"]
    values = data["values"]
    assert (values["GOARCH"], values["GOARM64"], values["CGO_ENABLED"]) == ("arm64", "v8.1", "0")
    assert values["GOVERSION"].startswith("go1.")
    assert "GOPROXY" not in values
    assert data["written"] == []


def test_what_the_user_wrote_with_go_env_w_is_named_without_its_value(tmp_path: Path) -> None:
    folder = module(tmp_path / "src", _STUBBED)
    written = {**environment(), "GOENV": str(tmp_path / "env")}
    subprocess.run([program("go"), "env", "-w", "CGO_ENABLED=0", "GOPRIVATE=internal.example"], env=written, check=True)
    found = after_go("go build .", folder, GOENV=str(tmp_path / "env"))
    assert found[f"goenv {program('go')}"]["written"] == ["CGO_ENABLED", "GOPRIVATE"]
    assert "internal.example" not in str(found)
    assert not [name for name in found if name.startswith("gopackage")], "the user asked for no cgo"


def test_a_cross_build_that_silently_took_the_stub_is_seen(tmp_path: Path) -> None:
    found = after_go("go build .", module(tmp_path, _STUBBED), GOOS="linux", GOARCH="arm64")
    packages = {name: data for name, data in found.items() if name.startswith("gopackage")}
    assert packages.keys() == {"gopackage example.org/stubbed/storage"}
    data = packages["gopackage example.org/stubbed/storage"]
    assert data["pid"] > 0
    assert {**data, "pid": 0} == {
        "dir": str(tmp_path / "storage"),
        "standard": False,
        "cgo_files": ["cgo.go"],
        "import_c": "cgo.go:6:8",
        "other_files": 1,
        "ignored_cgo_files": ["cgo.go"],
        "pid": 0,
    }


def test_a_build_without_a_c_compiler_is_seen_too(tmp_path: Path) -> None:
    found = after_go("go build ./...", module(tmp_path, _STUBBED), PATH=str(tmp_path))
    assert "gopackage example.org/stubbed/storage" in found


def test_files_left_out_by_a_tag_are_not_lost_to_cgo(tmp_path: Path) -> None:
    found = after_go("go build -tags no_sqlite .", module(tmp_path, _STUBBED), GOARCH="arm64", GOOS="linux")
    data = found["gopackage example.org/stubbed/storage"]
    assert (data["cgo_files"], data["ignored_cgo_files"]) == ([], ["cgo.go"])


@pytest.mark.parametrize("line", ["go build -C sub .", "go test -C sub ./... -run X", "go vet -C sub ./..."])
def test_the_folder_of_minus_c_counts(tmp_path: Path, line: str) -> None:
    module(tmp_path / "sub", _STUBBED)
    found = after_go(line, tmp_path, GOOS="linux", GOARCH="arm64")
    assert found["gopackage example.org/stubbed/storage"]["import_c"] == "cgo.go:6:8"


def test_a_package_with_nothing_but_cgo_files(tmp_path: Path) -> None:
    found = after_go("go build .", module(tmp_path, _CGO_ONLY), status=1, CGO_ENABLED="0")
    data = found["gopackage example.org/only"]
    assert (data["cgo_files"], data["other_files"], data["import_c"]) == (["main.go"], 0, "main.go:4:8")


def test_an_explicit_wish_that_worked_is_not_questioned(tmp_path: Path) -> None:
    found = after_go("go build .", module(tmp_path, _STUBBED), CGO_ENABLED="0")
    assert not [name for name in found if name.startswith("gopackage")]


def test_neither_a_module_nor_a_toolchain_is_fetched(tmp_path: Path) -> None:
    files = {**_STUBBED, "go.mod": "module example.org/stubbed\n\ngo 1.999\n"}
    proxy = "http://127.0.0.1:9"  # nobody listens at the discard port
    found = after_go(
        "go build .", module(tmp_path, files), status=1, GOTOOLCHAIN="auto", GOPROXY=proxy, GOARCH="arm64", GOOS="linux"
    )
    assert found[f"goenv {program('go')}"]["values"]["GOARCH"] == "arm64"
    (failed,) = (data for name, data in found.items() if name.startswith("probe_failed"))
    assert failed["about"] == "gopackage"
    assert "go.mod requires go >= 1.999" in failed["reason"]


def test_a_secret_in_a_flag_is_not_recorded(tmp_path: Path) -> None:
    found = after_go("go build .", module(tmp_path, _STUBBED), CGO_LDFLAGS="-L https://me:hunter2@libs.example/x")
    assert found[f"goenv {program('go')}"]["values"]["CGO_LDFLAGS"]
    assert "hunter2" not in str(found)


def test_the_compiler_that_go_would_use_is_asked_though_it_did_not_run(tmp_path: Path) -> None:
    gcc = program("gcc")
    target = subprocess.run([gcc, "-dumpmachine"], capture_output=True, text=True, check=True).stdout.strip()
    found = after_go("go build .", module(tmp_path, _CGO_ONLY), CGO_ENABLED="1", CC="gcc")
    data = found[f"compiler {gcc}"]
    assert (data["target"], data["family"], data["wrapper"]) == (target, "gcc", [])
    assert Path(data["resolved"]).resolve() == Path(gcc).resolve()


def test_a_cross_compiler_says_for_whom_it_compiles(tmp_path: Path) -> None:
    gcc = program("aarch64-linux-gnu-gcc")
    story = Story()
    story.runs([gcc, "-c", "x.c"], cwd=str(tmp_path))
    (data,) = (fact.data for fact in facts(story.events, tmp_path, environment()) if fact.name == "compiler")
    assert (data["target"], data["family"]) == ("aarch64-linux-gnu", "gcc")


def test_the_compiler_behind_ccache_is_asked(tmp_path: Path) -> None:
    ccache, gcc = program("ccache"), program("gcc")
    (tmp_path / "gcc").symlink_to(ccache)
    env = environment(PATH=f"{tmp_path}:{os.environ['PATH']}")
    story = Story()
    story.ends(story.starts("gcc", "-c", "x.c", path=f"{tmp_path}/gcc"))
    (data,) = (fact.data for fact in facts(story.events, tmp_path, env) if fact.name == "compiler")
    assert (data["wrapper"], data["resolved"]) == (["ccache"], str(Path(gcc).resolve()))


def test_a_program_that_takes_the_question_for_an_order_leaves_nothing_behind(tmp_path: Path) -> None:
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\ntouch a.out\necho strange-machine\n")
    compiler.chmod(0o755)
    story = Story()
    story.runs([str(compiler), "x.c"], cwd=str(tmp_path))
    (fact,) = (one for one in facts(story.events, tmp_path, environment()) if one.name == "compiler")
    assert fact.data["target"] == "strange-machine"
    assert [path.name for path in tmp_path.rglob("*")] == ["bin", "cc"]


def test_the_library_that_is_there_only_for_running_programs(tmp_path: Path) -> None:
    library = tmp_path / "libfoo.so.1"
    source = tmp_path / "foo.c"
    source.write_text("int foo(void) { return 5; }\n")
    subprocess.run([program("gcc"), "-shared", "-Wl,-soname,libfoo.so.1", "-o", library, source], check=True)
    story = Story()
    ld = story.starts("/usr/bin/ld", "-L", str(tmp_path), "-lfoo")
    story.misses(ld, f"{tmp_path}/libfoo.so", f"{tmp_path}/libfoo.a", "/usr/lib/libfoo.so", "/usr/lib/libfoo.a")
    story.ends(ld, status=1)
    (fact,) = (one for one in facts(story.events, tmp_path, environment(), failed=True) if one.name == "library")
    assert (fact.subject, fact.pid) == ("foo", ld)
    assert fact.data["found"] == [
        {
            "path": str(library),
            "machine": os.uname().machine,
            "soname": "libfoo.so.1",
            "kind": "versioned so",
            "searched": True,
        }
    ]


def test_a_header_that_lies_in_another_folder(tmp_path: Path) -> None:
    story = Story()
    cc1 = story.starts("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-E", "x.c")
    story.misses(cc1, "./perf_event.h", "/usr/local/include/perf_event.h", "/usr/include/perf_event.h")
    story.says(cc1, "x.c:1:10: fatal error: perf_event.h: No such file or directory\n")
    story.ends(cc1, status=1)
    found = {fact.name: fact for fact in facts(story.events, tmp_path, environment(), failed=True)}
    assert found["header"].subject == "perf_event.h"
    assert "/usr/include/linux/perf_event.h" in found["header"].data["found"]


def test_without_a_failure_nobody_looks_for_headers_and_libraries(tmp_path: Path) -> None:
    story = Story()
    ld = story.starts("/usr/bin/ld", "-lfoo")
    story.misses(ld, "/usr/lib/libfoo.so", "/usr/lib/libfoo.a")
    story.ends(ld, status=1)
    assert [fact.name for fact in facts(story.events, tmp_path, environment())] == ["host"]


def test_tools_that_hang_or_are_gone_are_named_and_cost_nothing_else(tmp_path: Path) -> None:
    hanging = tmp_path / "bin" / "go"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nsleep 600\n")
    hanging.chmod(0o755)
    story = Story()
    story.runs([str(hanging), "build"], cwd=str(tmp_path))
    story.runs([str(tmp_path / "gone-gcc"), "-c", "x.c"], cwd=str(tmp_path))
    found = facts(story.events, tmp_path, environment(), seconds=1)
    assert found[0].name == "host"
    failed = {fact.data["about"]: fact for fact in found if fact.name == "probe_failed"}
    assert failed["goenv"].subject == f"{hanging} env -json"
    assert failed["goenv"].data["reason"] == "no answer in time"
    assert failed["compiler"].data["reason"] == "No such file or directory"


def test_builds_with_one_question_share_the_answer(tmp_path: Path) -> None:
    folder = module(tmp_path, _STUBBED)
    story = Story()
    pids = [story.runs([program("go"), "build", "."], env=environment(), cwd=str(folder)) for _ in range(20)]
    found = [fact for fact in facts(story.events, folder, environment()) if fact.name == "goenv"]
    assert sorted(fact.data["pid"] for fact in found) == pids
