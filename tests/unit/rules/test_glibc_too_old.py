"""glibc-too-old: versions of symbols that the library which came in does not define."""

from __future__ import annotations

from typing import Any

from tests.unit.rules.loaded import APP, LIBC, Loaded
from tests.unit.rules.scenes import lines, proof

OLD = ["GLIBC_2.2.5", "GLIBC_2.31"]
NEEDS = [
    {"library": "libc.so.6", "version": "GLIBC_2.2.5", "symbols": ["malloc", "free"]},
    {"library": "libc.so.6", "version": "GLIBC_2.32", "symbols": ["pthread_sigmask"]},
    {"library": "libc.so.6", "version": "GLIBC_2.34", "symbols": ["__libc_start_main", "pthread_create"]},
]
SAYS = "./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by ./app)"


def program(defined: list[str], **data: Any) -> Loaded:
    run = Loaded()
    run.starts(versions=NEEDS, **data)
    run.libc("2.31", defined_versions=defined)
    return run


def test_a_program_of_a_newer_system() -> None:
    run = program(OLD)
    run.says(SAYS)

    finding = run.finding("glibc-too-old", 1)

    assert finding.message == (
        "app was built for glibc 2.34 or newer: it needs __libc_start_main@GLIBC_2.34, pthread_create@GLIBC_2.34 and 1 "
        f"more, some of GLIBC_2.32; {LIBC} here is glibc 2.31."
    )
    assert "GLIBC_2.34" in proof(finding)
    assert lines(finding) == [
        "env CGO_ENABLED=0 go build -o app ex/app",
        "env CGO_ENABLED=1 CC=zig cc -target x86_64-linux-gnu.2.31 go build -o app ex/app",
    ]
    assert "Or build app on a system with glibc 2.31 or older (Debian 11 or Ubuntu 20.04, in a container)." in [
        fix.text for fix in finding.fix
    ]
    assert finding.fix[-1].text == "Or run it on Debian 12 or Ubuntu 22.04 or newer."


def test_the_facts_decide_without_a_word() -> None:
    assert program(OLD).finding("glibc-too-old", 1).confidence == 1.0


def test_all_versions_are_there() -> None:
    assert program([*OLD, "GLIBC_2.32", "GLIBC_2.34"]).findings(1) == []


def test_it_went_well() -> None:
    assert program(OLD).findings(0) == []


def test_a_library_with_packed_relocations() -> None:
    run = Loaded()
    run.starts()
    run.libc("2.31", defined_versions=OLD)
    with run.calls():
        needs = {"library": "libc.so.6", "version": "GLIBC_ABI_DT_RELR", "symbols": []}
        run.maps("/srv/libwork.so", versions=[needs])
        run.opens("./libwork.so", error="version `GLIBC_ABI_DT_RELR' not found")

    finding = run.finding("glibc-too-old", 1)

    assert finding.message == (
        f"libwork.so was built for glibc 2.36 or newer: it needs packed relocations; {LIBC} here is glibc 2.31."
    )
    assert 'dlopen("./libwork.so", RTLD_NOW) = NULL' in proof(finding)


def test_the_cpp_library() -> None:
    run = Loaded()
    needs = {
        "library": "libstdc++.so.6",
        "version": "GLIBCXX_3.4.29",
        "symbols": ["_ZSt28__throw_bad_array_new_lengthv"],
    }
    run.starts(versions=[needs])
    run.maps("/usr/lib/libstdc++.so.6.0.28", soname="libstdc++.so.6", defined_versions=["GLIBCXX_3.4.28"])

    assert run.finding("glibc-too-old", 1).message.startswith("app was built for the libstdc++ of GCC 11.1 or newer")


def test_versions_of_other_libraries_say_nothing() -> None:
    run = Loaded()
    run.starts(versions=[{"library": "libssl.so.3", "version": "OPENSSL_3.0.0", "symbols": ["SSL_new"]}])
    run.maps("/usr/lib/libssl.so.3", soname="libssl.so.3", defined_versions=["OPENSSL_1.1.0"])

    assert run.findings(1) == []


def test_where_nobody_could_look_at_the_files_the_loader_says_it() -> None:
    run = Loaded()
    run.maps(APP)
    run.events.pop()  # its fact
    run.says(SAYS)

    finding = run.finding("glibc-too-old", 1)

    assert finding.message == (
        "app was built for glibc 2.34 or newer: /lib/x86_64-linux-gnu/libc.so.6 here does not have GLIBC_2.34."
    )
    assert finding.confidence == 0.8
