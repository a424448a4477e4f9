"""Functions, lines and build information of real Go programs, against what Go's own tools and the programs say."""

from __future__ import annotations

import random
import subprocess

import pytest

from gotrace.elf.buildinfo import build_info_of
from gotrace.elf.functions import Function, Functions
from gotrace.elf.identity import identity_of
from gotrace.elf.libc import Libc, libc_of
from tests.integration.go_programs import BUILDS, RUNNABLE, GoPrograms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> GoPrograms:
    return GoPrograms(tmp_path_factory.mktemp("go-programs"))


@pytest.mark.parametrize("name", RUNNABLE)
def test_a_running_program_agrees(programs: GoPrograms, name: str) -> None:
    told = programs.told(name)
    assert [place.name for place in told.places[:3]] == ["main.(*Place).Deep"] * 3
    del told.places[3]  # what was inlined into main.tell, which is next
    assert told.places[3].name == "main.tell"
    with Functions.open(programs[name]) or pytest.fail("no ELF file") as functions:
        for place in told.places:
            mapping = told.mapping(place.pc)
            address = functions.file.address_at(place.pc, mapping.start, mapping.offset)
            assert address is not None
            found = functions.at(address)
            assert found is not None
            assert (found.name, found.origin) == (place.name, "go")
            assert address - found.start == place.pc - place.entry
            assert functions.line_at(address) == functions.line_at(address, own=True) == (place.file, place.line)


@pytest.mark.parametrize("name", RUNNABLE)
def test_where_something_was_inlined_the_functions_own_line_is_that_of_the_call(
    programs: GoPrograms, name: str
) -> None:
    told = programs.told(name)
    inlined, caller = told.places[3:5]
    assert (inlined.name, caller.name, inlined.entry) == ("main.(*Place).inlined", "main.tell", caller.entry)
    mapping = told.mapping(inlined.pc)
    with Functions.open(programs[name]) or pytest.fail("no ELF file") as functions:
        address = functions.file.address_at(inlined.pc, mapping.start, mapping.offset)
        assert address is not None
        found = functions.at(address)
        assert found is not None
        assert found.name == caller.name
        assert functions.line_at(address) == (inlined.file, inlined.line)
        assert functions.line_at(address, own=True) == (caller.file, caller.line)


@pytest.mark.parametrize("name", [name for name in RUNNABLE if "cgo" in name or "musl" in name or "glibc" in name])
def test_c_code_of_a_go_program_is_named_where_it_has_symbols(programs: GoPrograms, name: str) -> None:
    told = programs.told(name)
    mapping = told.mapping(told.in_c)
    with Functions.open(programs[name]) or pytest.fail("no ELF file") as functions:
        address = functions.file.address_at(told.in_c, mapping.start, mapping.offset)
        assert address is not None
        found = functions.at(address)
    if name.startswith("stripped"):
        assert found is None
    else:
        assert found is not None
        assert found == Function("add_in_c", address, found.size, "c", local=True)
        assert 0 < found.size < 64


def test_c_code_that_go_linked_in_is_known_for_c(programs: GoPrograms) -> None:
    told = programs.told("internal")
    with Functions.open(programs["internal"]) or pytest.fail("no ELF file") as functions:
        found = functions.at(told.in_c)
        assert found is not None
        assert (found.name, found.origin) == ("add_in_c", "c")


@pytest.mark.parametrize("name", [name for name in BUILDS if not name.startswith("stripped")])
def test_nm_and_addr2line_agree(programs: GoPrograms, name: str) -> None:
    symbols: dict[int, set[str]] = {}
    for line in programs.go("tool", "nm", programs[name]).splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[1] in ("T", "t"):
            symbols.setdefault(int(fields[0], 16), set()).add(fields[2].removesuffix(".abi0"))
    with Functions.open(programs[name]) or pytest.fail("no ELF file") as functions:
        table = functions.go
        assert table is not None
        starts = [start for start in symbols if table.start <= start < table.end]
        assert len(starts) == len(table) > 1000
        named = {start: table.at(start) for start in starts}
        # nm writes the middle dot of assembly names as a full stop.
        wrong = {
            start: (found, symbols[start])
            for start, found in named.items()
            if found is None or found.start != start or found.name.replace("·", ".") not in symbols[start]
        }
        assert wrong == {}
        places = random.Random(7).sample(range(table.start, table.end), 1000)
        lines = {place: functions.line_at(place) for place in places}
    told = programs.go("tool", "addr2line", programs[name], given="".join(f"{place:x}\n" for place in places))
    for place, line in zip(places, told.splitlines()[1::2], strict=True):
        # addr2line takes C code, which has no lines, for the last Go code before it.
        if lines[place] is not None:
            assert line == ":".join(map(str, lines[place] or ())), hex(place)


@pytest.mark.parametrize("name", BUILDS)
def test_go_version_agrees(programs: GoPrograms, name: str) -> None:
    info = build_info_of(programs[name])
    assert info is not None
    head, *lines = programs.go("version", "-m", programs[name]).splitlines()
    assert head.endswith(f": {info.go_version}")
    assert f"\tpath\t{info.path}" in lines
    assert info.main is not None
    assert f"\tmod\t{info.main.path}\t{info.main.version}\t{info.main.sum}" in lines
    told = dict(line.removeprefix("\tbuild\t").split("=", 1) for line in lines if line.startswith("\tbuild\t"))
    assert {key: value.strip('"') for key, value in told.items()} == info.settings
    assert info.settings["CGO_ENABLED"] in "01"


@pytest.mark.parametrize("name", BUILDS)
def test_build_ids_agree(programs: GoPrograms, name: str) -> None:
    identity = identity_of(programs[name])
    assert identity is not None
    assert identity.go_build_id == programs.go("tool", "buildid", programs[name]).strip()
    notes = subprocess.run(["readelf", "-nW", programs[name]], capture_output=True, text=True, check=True).stdout
    if "Build ID:" in notes:
        assert f"Build ID: {identity.build_id}\n" in notes
    else:
        assert identity.build_id == ""


@pytest.mark.parametrize(
    ("name", "flavour", "relation"),
    [
        ("static", "none", "none"),
        ("stripped", "none", "none"),
        ("cgo", "glibc", "dynamic"),
        ("stripped cgo pie", "glibc", "dynamic"),
        ("c-shared", "glibc", "dynamic"),
        ("static glibc", "glibc", "static"),
        ("musl", "musl", "dynamic"),
        ("static musl", "musl", "static"),
    ],
)
def test_the_c_library_of_each(programs: GoPrograms, name: str, flavour: str, relation: str) -> None:
    found = libc_of(programs[name])
    assert found is not None
    assert found[:2] == Libc(flavour, relation)[:2]
