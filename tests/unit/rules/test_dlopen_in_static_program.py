"""dlopen-in-static-program: musl's cannot, glibc's needs a second glibc."""

from __future__ import annotations

from gotrace.events.model import Frame
from tests.unit.rules.loads import APP, GLIBC, Loads, calls
from tests.unit.rules.scenes import lines, proof

NAME = "dlopen-in-static-program"
ANSWER = "/srv/libanswer.so"
SEARCHED = ("/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/libc.so.6")
LOADING = ("raise", "abort", "__assert_fail", "_dl_call_libc_early_init", "dl_open_worker", "_dl_open", "dlopen")


def test_musls_loads_nothing() -> None:
    told = Loads(static="musl")
    told.opens("./libanswer.so", 0, error="Dynamic loading not supported")

    finding = told.first(status=1)

    assert finding.name == NAME
    assert finding.message == ("app is static, with musl inside, whose dlopen loads no library: not ./libanswer.so.")
    assert "Dynamic loading not supported" in proof(finding)
    assert lines(finding) == ["env CGO_ENABLED=1 CC=musl-gcc go build -o app ex/app"]


def test_musls_words_are_enough_where_no_call_could_be_seen() -> None:
    told = Loads(static="musl")
    told.says("app: Dynamic loading not supported")
    finding = told.first(status=1)
    assert finding.message == "app is static, with musl inside, whose dlopen loads no library."
    assert finding.confidence < 1
    assert "Dynamic loading not supported" in proof(finding)


def test_glibcs_looks_for_a_second_glibc() -> None:
    told = Loads(static="glibc")
    told.maps(ANSWER, "glibc", needed=["libc.so.6"])
    told.misses(*SEARCHED)
    told.opens("./libanswer.so", 0, error="libc.so.6: cannot open shared object file", began=5)

    finding = told.first(status=1)

    assert finding.name == NAME
    assert "opens ./libanswer.so: that needs a second glibc, libc.so.6, which is not here" in finding.message
    assert SEARCHED[0] in proof(finding)
    assert lines(finding) == ["env CGO_ENABLED=1 go build -o app ex/app"]


def test_the_search_says_enough_where_no_call_was_seen() -> None:
    told = Loads(static="glibc")
    told.maps(ANSWER, "glibc")
    told.misses(*SEARCHED)
    assert f"opens {ANSWER}: that" in told.first(status=1).message


def test_a_second_glibc_of_another_release_that_ends_the_program() -> None:
    told = Loads(static="glibc")
    told.maps(ANSWER, "glibc")
    told.maps(GLIBC, "", libc={"flavour": "glibc", "relation": "is", "version": "2.31"})
    told.faults(0x401000, *calls(*LOADING), signal=6, code=-6)

    finding = told.first()

    assert finding.name == NAME
    assert "loaded libanswer.so for main.main, with it a second glibc (libc.so.6 of glibc 2.31)" in finding.message


def test_a_crash_of_its_own_is_another_matter() -> None:
    told = Loads(static="glibc")
    told.maps(ANSWER, "glibc")
    told.faults(0x401000, Frame(ip=1, module=APP, symbol="divide", origin="c"), address=0x28)
    assert NAME not in told.names()


def test_a_library_that_is_not_there_at_all() -> None:
    told = Loads(static="glibc")
    told.misses("./libanswer.so")
    told.opens("./libanswer.so", 0, error="./libanswer.so: cannot open shared object file", began=2)
    assert NAME not in told.names(status=1)


def test_a_search_alone_that_no_library_came_before() -> None:
    told = Loads(static="glibc")
    told.misses(*SEARCHED)
    assert told.names(status=1) == []


def test_a_static_program_that_opens_nothing_and_one_that_is_dynamic() -> None:
    assert Loads(static="musl").names(status=1) == []
    told = Loads(GLIBC)
    told.misses(*SEARCHED)
    assert NAME not in told.names(status=1)


def test_a_program_that_did_without() -> None:
    told = Loads(static="musl")
    told.opens("./libanswer.so", 0, error="Dynamic loading not supported")
    assert told.names(status=0) == []
