"""wrong-elf-file: a file of that name was on the way, and the loader did not take it."""

from __future__ import annotations

from errno import ENOEXEC
from typing import Any

from tests.unit.rules.loaded import APP, GO, Loaded, Refused
from tests.unit.rules.scenes import lines

ARM = {"path": "/srv/arm/libfoo.so", "machine": "aarch64", "bits": 64, "searched": True}


def program(*found: dict[str, Any], env: dict[str, str] | None = None, **data: Any) -> Loaded:
    run = Loaded(env=env)
    run.starts(["libfoo.so"], **data)
    run.misses("libfoo.so")
    run.lies("libfoo.so", *found)
    return run


def test_the_loader_passes_over_it_and_says_that_there_is_none() -> None:
    finding = program(ARM).finding("wrong-elf-file")

    assert finding.message == (
        "/srv/arm/libfoo.so is for aarch64 (64 bits), and app is for x86_64 (64 bits): the loader passes over it, and "
        "says in the end that there is no such file."
    )
    assert finding.fix[0].text.startswith("Put one for x86_64 in its place.")


def test_a_right_one_lies_elsewhere() -> None:
    run = program(ARM, {"path": "/srv/lib/libfoo.so"}, env={"LD_LIBRARY_PATH": "/srv/arm"})

    assert lines(run.finding("wrong-elf-file")) == ["env LD_LIBRARY_PATH=/srv/lib:/srv/arm ./app"]


def test_the_other_class() -> None:
    found = {"path": "/srv/old/libfoo.so", "machine": "i386", "bits": 32, "searched": True}

    assert "is for i386 (32 bits), and app is for x86_64 (64 bits)" in program(found).finding("wrong-elf-file").message


def test_a_folder_of_the_run_path_is_on_the_way() -> None:
    found = {"path": "/srv/arm/libfoo.so", "machine": "aarch64", "bits": 64}

    assert program(found, runpath=["$ORIGIN/arm"]).finding("wrong-elf-file")
    assert [one.name for one in program(found).findings()] == ["shared-library-not-found"], "nobody looked there"


def test_a_text() -> None:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        run.opens("./libmodel.so", error="./libmodel.so: invalid ELF header")
    run.lies("libmodel.so", {"path": "/srv/libmodel.so", "machine": None, "bits": None, "searched": True})

    finding = run.finding("wrong-elf-file", 1)

    assert finding.message == (
        "/srv/libmodel.so is no ELF file, so that the loader does not take it: app opens libmodel.so."
    )


def test_a_program_for_another_machine() -> None:
    run = Refused("./app", ENOEXEC)
    run.binary(APP, machine="aarch64", go=GO)

    finding = run.finding("wrong-elf-file", 126)

    assert finding.message == "./app is a program for aarch64, and this machine is x86_64."
    assert lines(finding) == ["env GOARCH=amd64 go build -o app ex/app"]


def test_a_damaged_program_is_no_program_of_another_machine() -> None:
    run = Refused("./app", ENOEXEC)
    run.binary(APP, machine="x86_64")

    assert run.findings(126) == []
