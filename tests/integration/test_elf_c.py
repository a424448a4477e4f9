"""C libraries and C programs of this machine, against what binutils and the programs themselves say."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.functions import Functions
from gotrace.elf.identity import identity_of
from gotrace.elf.interpreter import read_interpreter
from gotrace.elf.libc import LOADER_FUNCTIONS, Libc, libc_of, loaders_of
from gotrace.elf.requirements import requirements_of
from gotrace.elf.static_libc import StaticLibc, is_static

_PROGRAM = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
extern int never(void) __attribute__((weak));
static __thread int counter;
static void *run(void *x) { counter++; return x; }
int main(void) {
	pthread_t t;
	pthread_create(&t, 0, run, 0);
	printf("%p %d\\n", dlopen("libm.so.6", RTLD_NOW), counter + (never != 0));
	return 0;
}
"""
_GLIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
_MUSL = Path("/lib/ld-musl-x86_64.so.1")

Compiled = Callable[..., Path]


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    """Compiles the program, with any compiler and options."""

    def compile(*options: str, compiler: str = "gcc", name: str = "program") -> Path:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed; `make setup` installs it")
        (tmp_path / "program.c").write_text(_PROGRAM)
        subprocess.run([compiler, "-O1", "-o", name, "program.c", *options], cwd=tmp_path, check=True)
        return tmp_path / name

    return compile


@pytest.fixture(params=[_GLIBC, _MUSL], ids=["glibc", "musl"])
def library(request: pytest.FixtureRequest) -> Path:
    """Each C library of this machine."""
    path = Path(request.param)
    if not path.exists():
        pytest.skip(f"{path} is not there; `make setup` installs it")
    return path


def symbols_of(path: Path, *options: str) -> list[tuple[int, int, str, str, str]]:
    """Value, size, type, section and name with version of each symbol that readelf lists."""
    listing = subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [
        (int(row[1], 16), int(row[2], 0), row[3], row[6], row[7])
        for row in rows
        if len(row) >= 8 and row[0].rstrip(":").isdigit()
    ]


def test_all_functions_of_a_c_library_are_named(library: Path) -> None:
    names: dict[tuple[int, int], set[str]] = {}
    for value, size, kind, section, name in symbols_of(library, "--dyn-syms"):
        if kind in ("FUNC", "IFUNC") and section != "UND":
            names.setdefault((value, size), set()).add(name.partition("@")[0])
    assert len(names) > 1000
    with Functions.open(library) or pytest.fail("no ELF file") as functions:
        found = {place: functions.at(place[0] + place[1] // 2) for place in names}
    wrong = {place: (one, names[place]) for place, one in found.items() if one is None or one.name not in names[place]}
    assert wrong == {}


def test_the_functions_that_load_are_where_readelf_says(library: Path) -> None:
    expected: dict[str, set[int]] = {}
    for value, _, kind, section, name in symbols_of(library, "--dyn-syms"):
        plain = name.partition("@")[0]
        if plain in LOADER_FUNCTIONS and kind == "FUNC" and section != "UND":
            expected.setdefault(plain, set()).add(value)
    headers = subprocess.run(["readelf", "-lW", library], capture_output=True, text=True, check=True).stdout
    code = re.search(r"LOAD\s+(0x\w+)\s+(0x\w+)\s+\S+\s+\S+\s+\S+\s+R E", headers)
    assert code is not None
    distance = int(code[1], 16) - int(code[2], 16)
    assert {"dlopen", "dlsym", "dlerror"} <= expected.keys()
    assert loaders_of(library) == {
        name: sorted(address + distance for address in addresses) for name, addresses in expected.items()
    }


def test_the_c_libraries_know_themselves() -> None:
    said = subprocess.run([_GLIBC], capture_output=True, text=True, check=True).stdout
    version = re.search(r"release version ([\d.]*\d)", said)
    assert version is not None
    assert libc_of(_GLIBC) == Libc("glibc", "is", version[1])
    if not _MUSL.exists():
        pytest.skip(f"{_MUSL} is not there; `make setup` installs it")
    said = subprocess.run([_MUSL], capture_output=True, text=True, check=False).stderr
    version = re.search(r"Version (\S+)", said)
    assert version is not None
    assert libc_of(_MUSL) == Libc("musl", "is", version[1])


def test_the_loader_of_a_program_is_of_the_same_library() -> None:
    loader = read_interpreter(Path("/bin/sh"))
    assert loader is not None
    found = libc_of(loader)
    assert found is not None
    assert found == libc_of(_GLIBC)


@pytest.mark.parametrize(
    ("compiler", "options", "flavour", "relation", "loads"),
    [
        ("gcc", (), "glibc", "dynamic", False),
        ("gcc", ("-static",), "glibc", "static", True),
        ("gcc", ("-static-pie",), "glibc", "static", True),
        ("gcc", ("-static", "-s"), "glibc", "static", False),
        ("musl-gcc", (), "musl", "dynamic", False),
        ("musl-gcc", ("-static",), "musl", "static", True),
    ],
)
def test_programs_of_each_kind(
    compiled: Compiled, compiler: str, options: tuple[str, ...], flavour: str, relation: str, loads: bool
) -> None:
    program = compiled(*options, compiler=compiler)
    found = libc_of(program)
    assert found is not None
    assert (found.flavour, found.relation) == (flavour, relation)
    offsets = loaders_of(program)
    assert ("dlopen" in offsets) == loads
    if loads:
        with ElfFile.open(program) or pytest.fail("no ELF file") as file:
            address = next(s[0] for s in symbols_of(program, "-s") if s[4] == "dlopen")
            assert [file.address_of(offset) for offset in offsets["dlopen"]] == [address]


@pytest.mark.parametrize(
    ("options", "compiler", "static"),
    [
        (["-static"], "gcc", True),
        (["-static"], "musl-gcc", True),
        (["-static-pie"], "gcc", True),
        ([], "gcc", False),
        (["-no-pie"], "gcc", False),
        (["-nostdlib", "-shared", "-fPIC"], "gcc", False),
    ],
)
def test_which_programs_have_their_c_library_in_themselves(
    compiled: Compiled, options: list[str], compiler: str, static: bool
) -> None:
    functions = Functions.open(compiled("-w", *options, compiler=compiler))
    assert functions is not None
    with functions:
        assert is_static(functions.file) is static


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_which_functions_of_a_static_program_are_those_of_its_c_library(compiled: Compiled, compiler: str) -> None:
    program = compiled("-w", "-static", compiler=compiler)
    listed = subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True, check=True).stdout
    code = [line.split() for line in listed.splitlines() if line.split()[1] in "tTwWi"]
    functions = Functions.open(program)
    assert functions is not None
    with functions:
        libc = StaticLibc(functions)
        found = {one for address, _, _ in code if (one := functions.at(int(address, 16))) is not None}
        others = {function.name for function in found if not libc.has(function)}
    # Its own, and what compilers put into each program; libgcc's unwinder begins with _Unwind or is local to it.
    assert {"main", "run", "frame_dummy"} <= others
    assert len(others) < 0.15 * len(found)


def test_requirements_are_those_that_readelf_tells(compiled: Compiled) -> None:
    options = ("-Wl,-rpath,$ORIGIN/lib:/opt/lib", "-Wl,-z,stack-size=1048576", "-Wl,-z,now", "-Wl,--build-id")
    program = compiled(*options)
    found = requirements_of(program)
    assert found is not None
    assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert found.needed == ("libc.so.6",)
    assert (found.runpath, found.rpath) == (("$ORIGIN/lib", "/opt/lib"), ())
    assert (found.bind_now, found.stack_size, found.tls_size) == (True, 1 << 20, 4)
    undefined = [symbol[4].split("@") for symbol in symbols_of(program, "--dyn-syms") if symbol[3] == "UND"]
    told = {(name, version.version) for version in found.versions for name in version.symbols}
    assert told == {(parts[0], parts[-1].split()[0]) for parts in undefined if len(parts) > 1}
    assert ("pthread_create", "GLIBC_2.34") in told
    assert "never" in found.weak
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    identity = identity_of(program)
    assert identity is not None
    assert re.search(r"Build ID: (\w+)", notes).group(1) == identity.build_id  # type: ignore[union-attr]
    old = requirements_of(compiled("-Wl,--disable-new-dtags,-rpath,/old"))
    assert old is not None
    assert (old.rpath, old.runpath) == (("/old",), ())


def test_packed_relocations_and_fixed_thread_local_storage_are_seen(compiled: Compiled) -> None:
    relr = requirements_of(compiled("-Wl,-z,pack-relative-relocs", "-pie"))
    assert relr is not None
    assert relr.relr
    assert "GLIBC_ABI_DT_RELR" in {version.version for version in relr.versions}
    fixed = requirements_of(compiled("-shared", "-fPIC", "-ftls-model=initial-exec", name="libfixed.so"))
    assert fixed is not None
    assert fixed.static_tls
    assert not fixed.relr


def test_what_a_c_library_defines_is_what_readelf_tells() -> None:
    found = requirements_of(_GLIBC)
    assert found is not None
    listing = subprocess.run(["readelf", "-VW", _GLIBC], capture_output=True, text=True, check=True).stdout
    section = listing[listing.index(".gnu.version_d") :].split("\n\n")[0]
    names = re.findall(r"Flags: none\s+Index: \d+\s+Cnt: \d+\s+Name: (\S+)", section)
    assert len(names) > 30
    assert list(found.defined_versions) == names
    assert found.soname == "libc.so.6"
