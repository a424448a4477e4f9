"""undefined-symbol: what nothing that was loaded defines, and which one the loader met."""

from __future__ import annotations

from tests.unit.rules.loaded import APP, LIBC, Loaded
from tests.unit.rules.scenes import lines, proof

FOO = "/srv/lib/libfoo.so"
SAYS = f"./app: symbol lookup error: {FOO}: undefined symbol: missing_v2"


def program(*, says: str = SAYS, bind_now: bool = False) -> Loaded:
    run = Loaded()
    run.starts(["libfoo.so", "libc.so.6"])
    run.maps(FOO, soname="libfoo.so", bind_now=bind_now)
    run.libc()
    if says:
        run.says(says)
    run.fact("undefined_symbols", FOO, symbols=["missing_v1", "missing_v2"], count=2, defined_in={})
    return run


def test_the_loader_names_the_one_that_it_met() -> None:
    finding = program().finding("undefined-symbol")

    assert finding.message == (
        "libfoo.so needs missing_v2 and 1 more, which nothing that app loaded defines; functions are looked up at "
        "their first call, so it may have run for a while."
    )
    assert "undefined symbol: missing_v2" in proof(finding)
    assert finding.confidence == 1.0
    assert finding.fix[0].text.startswith("Link libfoo.so with the library that defines missing_v2")


def test_bound_at_the_start() -> None:
    assert "first call" not in program(bind_now=True).finding("undefined-symbol").message


def test_a_shell_that_did_not_find_a_command_ends_so_too() -> None:
    assert program(says="").findings() == []


def test_it_went_well_or_ended_in_another_way() -> None:
    assert program().findings(0) == []
    assert program().findings(1) == []


def test_dlopen_refuses_a_library_that_lacks_a_library() -> None:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        run.maps("/srv/libwork.so")
        run.opens("./libwork.so", error="./libwork.so: undefined symbol: cos")
    run.fact("undefined_symbols", "/srv/libwork.so", symbols=["cos"], count=1, defined_in={"cos": "/lib/libm.so.6"})

    finding = run.finding("undefined-symbol", 1)

    assert finding.message == "libwork.so needs cos, which nothing that app loaded defines: dlopen refuses it."
    assert finding.fix[0].text == "Link libwork.so with libm.so.6, which has it: gcc -shared ... -lm."
    assert lines(finding) == ["env LD_PRELOAD=/lib/libm.so.6 ./app"]


def test_a_source_that_did_not_see_it_come_in() -> None:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        run.opens("./libwork.so", error="./libwork.so: undefined symbol: cos")
    run.binary("/srv/libwork.so")
    run.fact("undefined_symbols", "/srv/libwork.so", symbols=["cos"], count=1, defined_in={})

    assert run.finding("undefined-symbol", 1).message.startswith("libwork.so needs cos")


def test_a_program_of_glibc_under_musl() -> None:
    run = Loaded()
    run.maps(APP, needed=["libc.so.6"], go={"settings": {"CGO_ENABLED": "1"}, "path": "ex/app"})
    run.maps("/lib/ld-musl-x86_64.so.1", libc={"flavour": "musl", "relation": "is", "version": "1.2.3"})
    run.says("Error relocating ./app: __snprintf_chk: symbol not found")
    run.fact("undefined_symbols", APP, symbols=["__snprintf_chk"], count=1, defined_in={})

    finding = run.finding("undefined-symbol")

    assert finding.message == (
        "app needs __snprintf_chk, which nothing that app loaded defines: it was linked with glibc, and here musl "
        "loads it, which has less."
    )
    assert lines(finding) == ["env CGO_ENABLED=0 go build -o app ex/app"]


def test_what_a_c_library_leaves_undefined_is_no_lack() -> None:
    run = program(says=f"./app: symbol lookup error: {LIBC}: undefined symbol: other")
    run.events.pop()
    run.fact("undefined_symbols", LIBC, symbols=["other"], count=1, defined_in={})

    assert run.findings() == []
