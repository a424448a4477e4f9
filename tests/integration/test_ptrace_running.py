"""Libraries and calls of the loader under ptrace: all of them, as they were, and the program does not notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gotrace.elf.libc import loaders_of
from gotrace.events.facets import Facet
from gotrace.events.model import Dlerror, Dlopen, Dlsym, Library
from gotrace.sources.base import Target
from gotrace.sources.ptrace import channel
from gotrace.sources.ptrace.source import PtraceSource
from tests.hostile.watched import Both, assert_harmless, both
from tests.integration.observing import Observed, observe
from tests.integration.uprobes import uprobes

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
RTLD_NEXT = LM_ID_NEWLM = (1 << 64) - 1
LOADED = {
    "glibc": ("gcc", "libm.so.6", "cos"),
    "static": ("gcc", "libm.so.6", "cos"),
    "musl": ("musl-gcc", "", "there"),
}
"""How `loads` is compiled, and what it loads and finds; musl has nothing to load but what we give it."""
Compile = Callable[..., str]


@pytest.fixture(params=["compiled", "python"])
def loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the tracer's two loops runs."""
    monkeypatch.setenv("GOTRACE_PTRACE_LOOP", str(request.param))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where also other users may go."""
    with TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def program(folder: Path) -> Compile:
    """Compiles a program of programs/ once: its path."""

    def compiled(name: str, *flags: str, cc: str = "gcc", output: str = "") -> str:
        if shutil.which(cc) is None:
            pytest.skip(f"{cc} is not installed; `make setup` installs it")
        path = folder / (output or "-".join([cc, name.removesuffix(".c"), *flags]).replace("/", "_"))
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            subprocess.run([cc, "-O2", "-pthread", "-w", "-o", path, PROGRAMS / name, *flags], check=True)
        return str(path)

    return compiled


def run(*argv: str, env: dict[str, str] | None = None) -> Both:
    """Bare and traced; it must make no difference."""
    return both(*argv, env=env, running=True)


def only_traced(*argv: str) -> Observed:
    """Only traced, for what can be done only once."""
    return observe(argv, source=PtraceSource(), target=Target(1, running=True))


def opened(seen: Observed) -> list[Dlopen]:
    return [event for event in seen.events if isinstance(event, Dlopen)]


def looked_up(seen: Observed) -> list[Dlsym]:
    return [event for event in seen.events if isinstance(event, Dlsym)]


def libraries(seen: Observed) -> list[Library]:
    return [event for event in seen.events if isinstance(event, Library)]


def told(seen: Observed) -> Counter[tuple[str, str]]:
    """How often each text was told by each kind of event."""
    found = Counter(("dlsym", event.symbol) for event in looked_up(seen))
    found.update(("dlopen", event.filename or "") for event in opened(seen))
    found.update(("dlerror", event.text or "") for event in seen.events if isinstance(event, Dlerror))
    return found


def test_a_run_is_observed_in_more_respects_than_a_build() -> None:
    of_a_run = PtraceSource().open(Target(1, running=True)).observes
    more = {Facet.LIBRARIES, Facet.DL_CALLS, Facet.SIGNALS, Facet.RESOURCES, Facet.CLOCK_READS}
    assert of_a_run - PtraceSource().open(Target(1)).observes == more


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("libc", LOADED)
def test_every_call_of_eight_threads_is_told_with_what_it_returned(program: Compile, libc: str) -> None:
    cc, library, symbol = LOADED[libc]
    if not library:
        library = program("beside.c", "-shared", "-fPIC", cc=cc, output="libbeside-musl.so")
    name = program("loads.c", *(["-static"] if libc == "static" else []), cc=cc)
    done = run(name, library, symbol, "8", "50")
    assert_harmless(done)
    assert done.traced.out == "wrong 0\n"
    assert done.traced.wait_status >> 8 == 7
    seen = done.seen
    assert Counter((e.filename, e.flags, e.handle != 0) for e in opened(seen)) == {(library, 2, True): 400}
    found = Counter((e.symbol, e.version, e.address != 0) for e in looked_up(seen))
    assert found == {(symbol, "", True): 400, ("no_such_symbol", "", False): 400}
    assert sum("no_such_symbol" in (event.text or "") for event in seen.events if isinstance(event, Dlerror)) == 400
    assert {event.handle for event in looked_up(seen)} == {event.handle for event in opened(seen)}
    assert len({event.tid for event in opened(seen)}) == 8


@pytest.mark.usefixtures("loop")
def test_each_call_once_with_all_it_was_given(program: Compile) -> None:
    library = program("beside.c", "-shared", "-fPIC", output="libbeside.so")
    done = run(program("loader.c"), library)
    assert done.seen.lost == []
    assert done.traced.wait_status == done.bare.wait_status == 0
    here, itself, nowhere, text, none, there, missing, printf, unversioned, again = done.traced.out.splitlines()
    assert [(e.filename, e.flags, e.namespace, e.handle) for e in opened(done.seen)] == [
        (library, 0x102, None, int(here, 16)),
        (None, 1, None, int(itself, 16)),
        ("/nowhere/lib.so", 1, None, 0),
        (library, 2, LM_ID_NEWLM, int(again, 16)),
    ]
    assert [(e.symbol, e.version, e.handle, e.address) for e in looked_up(done.seen)] == [
        ("there", "", int(here, 16), int(there, 16)),
        ("nowhere", "", 0, 0),
        ("printf", "GLIBC_2.2.5", 0, int(printf, 16)),
        ("printf", "NONE_1", 0, 0),
    ]
    assert [event.text for event in done.seen.events if isinstance(event, Dlerror)] == [text]
    assert (nowhere, none, missing, unversioned) == ("(nil)",) * 4
    assert all(0 < event.began_ns <= event.ts_ns for event in opened(done.seen))


@pytest.mark.usefixtures("loop")
def test_libraries_are_told_before_what_needs_them(program: Compile) -> None:
    library = program("beside.c", "-shared", "-fPIC", output="libbeside.so")
    name = program("loader.c")
    seen = run(name, library).seen
    found = libraries(seen)
    for event in found:
        if event.path != "[vdso]":
            file = Path(event.path).stat()
            assert (event.device, event.inode) == (file.st_dev, file.st_ino)
    paths = [event.path for event in found]
    assert {Path(path).name for path in paths[:3]} == {Path(name).name, "[vdso]", "ld-linux-x86-64.so.2"}
    assert [Path(path).name for path in paths[3:5]] == ["libc.so.6", "libbeside.so"]
    assert Counter(paths)[library] == 2, "dlmopen has loaded it once more"
    (own,) = [event for event in found if event.path == name]
    calls: list[Dlopen | Dlsym] = [*opened(seen), *looked_up(seen)]
    for call in calls:
        assert call.caller is not None
        assert own.base <= call.caller.ip < own.base + own.size
        assert call.ts_ns > own.ts_ns
    mine, first = found[paths.index(library)], opened(seen)[0]
    assert mine.ts_ns < first.ts_ns
    there = next(event for event in looked_up(seen) if event.symbol == "there")
    assert mine.base <= there.address < mine.base + mine.size


@pytest.mark.usefixtures("loop")
def test_what_the_c_library_loads_by_itself_is_told_when_it_comes(program: Compile) -> None:
    done = run(program("unasked.c"))
    assert_harmless(done)
    assert done.traced.out == "walked\n"
    assert opened(done.seen) == []
    assert [Path(event.path).name for event in libraries(done.seen)][-1] == "libgcc_s.so.1"
    assert libraries(done.seen)[-1].ts_ns < done.seen.exits()[-1].ts_ns


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("cc", ["gcc", "musl-gcc"])
def test_the_next_symbol_is_the_next_as_ever(program: Compile, cc: str) -> None:
    """RTLD_NEXT goes by the return address."""
    next_one = program("next.c", "-shared", "-fPIC", cc=cc, output=f"libnext-{cc}.so")
    done = run(program("says.c", cc=cc), env={"LD_PRELOAD": next_one})
    assert_harmless(done)
    assert done.traced.out == "before\nhere\n"
    assert [(event.handle, event.symbol) for event in looked_up(done.seen)] == [(RTLD_NEXT, "puts")]


@pytest.mark.usefixtures("loop")
def test_a_library_finds_what_lies_beside_it_as_ever(program: Compile) -> None:
    """$ORIGIN of glibc goes by the return address; musl goes by the program's own search path alone."""
    program("beside.c", "-shared", "-fPIC", output="plug/libother.so")
    plug = program("beside.c", "-shared", "-fPIC", "-Wl,--enable-new-dtags,-rpath,$ORIGIN", output="plug/libplug.so")
    done = run(program("loader.c"), plug, "beside", "libother.so")
    assert done.seen.lost == []
    assert "(nil)" not in done.traced.out + done.bare.out
    assert [(event.filename, event.handle != 0) for event in opened(done.seen)] == [(plug, True), ("libother.so", True)]


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("flag", ["-no-pie", "-pie"])
def test_whatever_instruction_a_call_comes_back_to(program: Compile, flag: str) -> None:
    """Four threads meet each of twelve instructions 50 times, while others still have to come back to it."""
    done = run(program("comes_back_to.c", flag), "50")
    assert_harmless(done)
    assert done.traced.out == "wrong 0\n"
    assert told(done.seen) == {("dlsym", "printf"): 4 * 12 * 50}


def test_what_an_instruction_does_not_allow_is_counted_to_the_last_call(program: Compile) -> None:
    """No copy of a PUSHF gives what it gives in its place: who comes there second is not seen any more."""
    done = run(program("comes_back_to.c", "-pie"), "20", "pushf")
    assert done.traced == done.bare
    calls = 4 * 12 * 20
    lost = sum(one.count for one in done.seen.lost)
    assert {(one.what, one.exact) for one in done.seen.lost} <= {("dlopen", True)}
    assert len(looked_up(done.seen)) + lost == calls


def test_what_does_not_fit_is_counted_to_the_last_call(program: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look a second, and room for some hundred records: the buffer cannot hold them."""
    monkeypatch.setattr(channel, "LIVE_BYTES", 4 * channel.PAGE)
    argv, target = [program("loads.c"), "libm.so.6", "cos", "1", "500"], Target(1, running=True)
    seen = observe(argv, env={}, source=PtraceSource(), period=1.0, target=target)
    lost = {one.what: one.count for one in seen.lost}
    assert all(one.exact for one in seen.lost)
    assert lost.keys() <= {"dlopen", "library", "exit"}
    assert 0 < lost["dlopen"] < 2000
    assert told(seen).total() + lost["dlopen"] == 4 * 500


@pytest.mark.root("only root may change its root folder")
@pytest.mark.usefixtures("loop")
def test_below_another_root_paths_are_the_programs_own(program: Compile, tmp_path: Path) -> None:
    name = program("loads.c", cc="musl-gcc")
    loader = subprocess.run(["readelf", "-p", ".interp", name], capture_output=True, text=True, check=True)
    inner = loader.stdout.split()[-1]
    (tmp_path / inner[1:]).parent.mkdir()
    shutil.copy(Path(inner).resolve(), tmp_path / inner[1:])
    shutil.copy(name, tmp_path / "loads")
    shutil.copy(program("beside.c", "-shared", "-fPIC", cc="musl-gcc", output="libbeside-musl.so"), tmp_path / "lib.so")
    chroot = shutil.which("chroot", path="/usr/sbin:/usr/bin") or "chroot"
    done = run(chroot, str(tmp_path), "/loads", "/lib.so", "there", "2", "3")
    assert_harmless(done)
    assert told(done.seen)["dlopen", "/lib.so"] == 6
    own = [event for event in libraries(done.seen) if event.ts_ns > done.seen.execs()[-1].ts_ns]
    assert {event.path for event in own} == {"/loads", "[vdso]", inner, "/lib.so"}
    assert next(event.inode for event in own if event.path == inner) == (tmp_path / inner[1:]).stat().st_ino


def test_a_library_by_that_name_that_is_none(program: Compile, tmp_path: Path) -> None:
    """A file that is gone, still mapped: it is said that something may be missing, and the program goes on."""
    library = tmp_path / "libc.so"
    shutil.copy(program("beside.c", "-shared", "-fPIC", output="libbeside.so"), library)
    seen = only_traced(program("cut_short.c"), str(library))
    assert seen.wait_status == 0
    assert [event.filename for event in opened(seen)] == [None]
    assert str(library) in {event.path for event in libraries(seen)}
    assert [(one.what, one.count, one.exact) for one in seen.lost] == [("dlopen", 1, False)]


class TestBesideUprobes:
    """Somebody else's uprobes in the same library: a private copy of musl, where they disturb nobody."""

    @pytest.fixture
    def loader(self, program: Compile, tmp_path: Path) -> Path:
        name = program("loads.c", cc="musl-gcc")
        found = subprocess.run(["readelf", "-p", ".interp", name], capture_output=True, text=True, check=True)
        return Path(shutil.copy(Path(found.stdout.split()[-1]).resolve(), tmp_path / "ld-musl-own.so.1"))

    def calls(self, program: Compile, loader: Path) -> tuple[int, Observed]:
        library = program("beside.c", "-shared", "-fPIC", cc="musl-gcc", output="libbeside-musl.so")
        name = program("loads.c", f"-Wl,--dynamic-linker={loader}", cc="musl-gcc", output=f"loads-{loader.parent.name}")
        done = run(name, library, "there", "4", "5")
        assert done.traced == done.bare
        return told(done.seen).total(), done.seen

    def test_on_the_functions_themselves(self, program: Compile, loader: Path) -> None:
        with uprobes(loader, [offset for offsets in loaders_of(loader).values() for offset in offsets]):
            calls, seen = self.calls(program, loader)
        assert (calls, seen.lost) == (4 * 4 * 5, [])

    def test_on_the_very_instruction_it_is_said_that_something_is_missing(self, program: Compile, loader: Path) -> None:
        (dlopen,) = loaders_of(loader)["dlopen"]
        with uprobes(loader, [dlopen + 2]):  # behind push %r15
            calls, seen = self.calls(program, loader)
        assert calls == 3 * 4 * 5, "all but dlopen"
        (lost,) = seen.lost
        assert (lost.what, lost.count, lost.exact) == ("dlopen", 1, False)
        assert "uprobe" in lost.reason


@pytest.mark.root("becoming another user needs root; the tests before were an ordinary user's then")
@pytest.mark.usefixtures("loop")
def test_an_ordinary_user_sees_the_same(program: Compile) -> None:
    name = program("loads.c")
    code = (
        "from tests.integration.both import become; from tests.integration.observing import observe;"
        "from gotrace.sources.base import Target; from collections import Counter; import gotrace.elf.displaced as d;"
        "import gotrace.sources.ptrace.running; d.displaced(b'\\xc3', 0);"
        "from gotrace.sources.ptrace.source import PtraceSource; become(65534);"
        f"seen = observe([{name!r}, 'libm.so.6', 'cos', '4', '25'], source=PtraceSource(),"
        " target=Target(1, running=True));"
        "kinds = Counter(type(e).__name__ for e in seen.events);"
        "print(seen.lost, seen.wait_status >> 8, *(kinds[one] for one in ('Dlopen', 'Dlsym', 'Dlerror')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "wrong 0\n[] 7 100 200 100\n"
