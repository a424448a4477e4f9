"""A program's run: every dl call with its result, and every piece of code that it maps, compared with what it says."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.events.model import Dlerror, Dlopen, Dlsym, Event, Library
from tests.integration.observing import Observed
from tests.integration.running import follow

PROGRAMS = Path(__file__).parent / "programs"
Build = Callable[..., Path]


@pytest.fixture(params=["gcc", "musl-gcc"])
def compiler(request: pytest.FixtureRequest, tool: Callable[[str], str]) -> str:
    """One for each C library."""
    return tool(str(request.param))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Compiles a file of programs/, or a text, into a file of that name."""

    def compiled(compiler: str, name: str, source: str, *options: str) -> Path:
        text = tmp_path / f"{name}.c"
        text.parent.mkdir(exist_ok=True)
        text.write_text(source if "\n" in source else (PROGRAMS / source).read_text())
        subprocess.run([compiler, "-O1", "-o", tmp_path / name, text, *options], check=True)
        return tmp_path / name

    return compiled


LIBRARY = "int present(void) { return 1; }\n"


def calls(seen: Observed, pid: int | None = None) -> list[Event]:
    return [e for e in seen.events if isinstance(e, Dlopen | Dlsym | Dlerror) and pid in (None, e.pid)]


def in_words(event: Event) -> str:
    match event:
        case Dlopen(namespace=None):
            return f"dlopen {'-' if event.filename is None else event.filename} {event.flags} {event.handle}"
        case Dlopen():
            return f"dlmopen {event.filename} {event.flags} {event.handle}"
        case Dlsym(version=""):
            return f"dlsym {event.symbol} {event.handle} {event.address}"
        case Dlsym():
            return f"dlvsym {event.symbol} {event.version} {event.address}"
        case Dlerror():
            return f"dlerror {event.text}"
    raise AssertionError(event)


@pytest.fixture
def linked(build: Build, compiler: str, tmp_path: Path) -> tuple[Observed, list[str], Path]:
    """A run of programs/linking.c, the lines it wrote, and its program."""
    library = build(compiler, "libpresent.so", LIBRARY, "-shared", "-fPIC")
    program = build(compiler, "linking", "linking.c")
    told = tmp_path / "told"

    seen = follow([str(program), str(told), str(library)])

    assert (seen.wait_status, seen.lost) == (0, [])
    return seen, told.read_text().splitlines(), program


def test_each_dl_call_is_told_with_its_result(linked: tuple[Observed, list[str], Path]) -> None:
    seen, told, _ = linked
    expected = [line for line in told if line.startswith("dl")]

    assert [in_words(event) for event in calls(seen)] == expected
    assert [line for line in expected if "SSL_library_init" in line and line.endswith(" 0")]
    assert [line for line in expected if line.startswith("dlerror")]


def test_the_caller_is_in_the_program_and_the_time_of_a_dlopen_covers_what_it_mapped(
    linked: tuple[Observed, list[str], Path],
) -> None:
    seen, _, program = linked
    [own] = [e for e in seen.events if isinstance(e, Library) and e.path == str(program)]
    [present, *_] = [e for e in seen.events if isinstance(e, Library) and e.path.endswith("/libpresent.so")]
    opened = [e for e in calls(seen) if isinstance(e, Dlopen) and (e.filename or "").endswith("/libpresent.so")]

    callers = [e.caller.ip for e in calls(seen) if isinstance(e, Dlopen | Dlsym | Dlerror) and e.caller]
    assert len(callers) == len(calls(seen))
    assert [ip for ip in callers if not own.base <= ip < own.base + own.size] == []
    assert opened[0].began_ns < present.ts_ns < opened[0].ts_ns


def test_all_code_in_a_program_is_told_as_its_maps_have_it(linked: tuple[Observed, list[str], Path]) -> None:
    seen, told, _ = linked
    expected = set()
    for line in told:
        fields = line.split()
        if fields[0] == "map" and "x" in fields[2] and (int(fields[5]) or fields[-1] == "[vdso]"):
            start, end = (int(one, 16) for one in fields[1].split("-"))
            major, minor = (int(one, 16) for one in fields[4].split(":"))
            expected.add((fields[6], start, end - start, int(fields[3], 16), os.makedev(major, minor), int(fields[5])))

    libraries = [e for e in seen.events if isinstance(e, Library)]
    assert {(e.path, e.base, e.size, e.offset, e.device, e.inode) for e in libraries} == expected
    assert len(libraries) == len(expected)
    assert {path for path, *_ in expected} >= {"[vdso]"}


FROM_MEMORY = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
int main(int count, char **arguments) {
    int memory = memfd_create("embedded", 0), file = open(arguments[1], O_RDONLY);
    char path[64];
    while (sendfile(memory, file, 0, 1 << 20) > 0) continue;
    sprintf(path, "/proc/self/fd/%d", memory);
    return dlopen(path, RTLD_NOW) == 0;
}
"""


def test_a_library_that_lies_in_no_folder_has_a_name_as_well(build: Build, compiler: str) -> None:
    library = build(compiler, "libpresent.so", LIBRARY, "-shared", "-fPIC")
    program = build(compiler, "embedding", FROM_MEMORY)

    seen = follow([str(program), str(library)])

    assert (seen.wait_status, seen.lost) == (0, [])
    assert [e.path for e in seen.events if isinstance(e, Library)][-1] == "/memfd:embedded"


def test_what_an_i386_call_maps_is_told_too(build: Build, tool: Callable[[str], str], tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.write_bytes(bytes(3 * 4096))
    program = build(tool("gcc"), "mapping32", "mapping32.c")

    seen = follow([str(program), str(code)])

    assert seen.wait_status == 0
    [mapped] = [e for e in seen.events if isinstance(e, Library) and e.path == str(code)]
    assert (mapped.size, mapped.offset, mapped.inode) == (4096, 4096, code.stat().st_ino)
    assert mapped.base < 1 << 32


def test_every_call_of_many_threads_is_there(build: Build, compiler: str) -> None:
    library = build(compiler, "libpresent.so", LIBRARY, "-shared", "-fPIC")
    program = build(compiler, "threads", "linking_threads.c", "-pthread")

    seen = follow([str(program), str(library)])

    assert (seen.wait_status, seen.lost) == (0, [])
    assert Counter(
        (e.filename, bool(e.handle)) if isinstance(e, Dlopen) else (e.symbol, bool(e.address))
        for e in seen.events
        if isinstance(e, Dlopen | Dlsym)
    ) == {(str(library), True): 4000, ("present", True): 4000, ("missing", False): 4000}
    assert len({e.tid for e in calls(seen)}) == 8


def test_a_preloaded_library_still_finds_the_next_of_its_name(build: Build, compiler: str) -> None:
    """A uretprobe would break this: glibc and musl look at the return address for who calls."""
    preloaded = build(
        compiler, "libwrap.so",
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdlib.h>\n"
        "int puts(const char *s) { int (*next)(const char *) = dlsym(RTLD_NEXT, \"puts\");\n"
        "if (!next || next == puts) _Exit(7); return next(s); }\n", "-shared", "-fPIC",
    )  # fmt: skip
    program = build(compiler, "saying", '#include <stdio.h>\nint main(void) { puts(""); return 3; }\n')

    seen = follow([str(program)], env={"LD_PRELOAD": str(preloaded)})

    assert seen.wait_status >> 8 == 3
    [found] = calls(seen)
    assert isinstance(found, Dlsym)
    assert (found.symbol, found.handle, found.address != 0) == ("puts", 2**64 - 1, True)


def test_a_library_still_finds_others_beside_itself(build: Build, compiler: str, tmp_path: Path) -> None:
    build(compiler, "beside/libpresent.so", LIBRARY, "-shared", "-fPIC")
    opener = build(
        compiler, "beside/libopener.so",
        "#include <dlfcn.h>\nint opens(void) { return dlopen(\"libpresent.so\", RTLD_NOW) != 0; }\n",
        "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN",
    )  # fmt: skip
    program = build(
        compiler, "asking",
        "#include <dlfcn.h>\nint main(int n, char **v) { void *h = dlopen(v[1], RTLD_NOW);\n"
        "return h ? ((int (*)(void))dlsym(h, \"opens\"))() : 9; }\n",
    )  # fmt: skip

    bare = subprocess.run([program, opener], check=False).returncode
    seen = follow([str(program), str(opener)])

    assert seen.wait_status >> 8 == bare
    assert bare == ("musl" not in compiler)  # musl searches the folders that the program names, whoever asks
    opened = {(e.filename, e.handle != 0) for e in calls(seen) if isinstance(e, Dlopen)}
    assert opened == {(str(opener), True), ("libpresent.so", bool(bare))}


GO = """package main

/*
#include <dlfcn.h>
#include <stdlib.h>
static void *opened(const char *name) { return dlopen(name, RTLD_NOW); }
static void *found(void *handle, const char *name) { return dlsym(handle, name); }
*/
import "C"

import "sync"

func main() {
	handle := C.opened(C.CString("libssl.so.3"))
	C.found(handle, C.CString("SSL_library_init"))
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < 50; j++ {
				C.found(C.opened(C.CString("libssl.so.3")), C.CString("SSL_new"))
			}
		}()
	}
	all.Wait()
}
"""


def test_a_go_program_with_cgo(
    tool: Callable[[str], str], tmp_path: Path, build_env: dict[str, str], warm_cache: Path
) -> None:
    tool("gcc")
    build_env["GOCACHE"] = str(warm_cache)
    (tmp_path / "main.go").write_text(GO)
    program = tmp_path / "app"
    subprocess.run([tool("go"), "build", "-o", program, "main.go"], cwd=tmp_path, env=build_env, check=True)

    seen = follow([str(program)])

    assert (seen.wait_status, seen.lost) == (0, [])
    first, second = calls(seen)[:2]
    assert isinstance(first, Dlopen)
    assert isinstance(second, Dlsym)
    assert (first.filename, first.handle != 0) == ("libssl.so.3", True)
    assert (second.symbol, second.handle, second.address) == ("SSL_library_init", first.handle, 0)
    assert Counter(type(e) for e in calls(seen)) == {Dlopen: 401, Dlsym: 401}
    assert {e.handle for e in calls(seen) if isinstance(e, Dlopen)} == {first.handle}
