"""null-symbol-called: what dlsym did not find was called."""

from __future__ import annotations

import pytest

from gotrace.events.model import Frame
from tests.unit.rules.loads import APP, GLIBC, MUSL, WRAPPER, Loads, calls
from tests.unit.rules.scenes import lines, proof

NAME = "null-symbol-called"
SSL = "/usr/lib/libssl.so.3"


def program(libc: str = GLIBC) -> Loads:
    program = Loads(libc)
    program.maps(SSL, "musl" if libc == MUSL else "glibc")
    program.opens("libssl.so.3", began=2)
    return program


@pytest.mark.parametrize("libc", [GLIBC, MUSL])
def test_it_is_named_with_who_called_and_what_there_is_instead(libc: str) -> None:
    told = program(libc)
    told.asks("SSL_library_init")
    told.faults(0, *calls(WRAPPER))

    finding = told.first()

    assert finding.name == NAME
    assert finding.message == (
        "app (C.start, called by main.main) called SSL_library_init at the address NULL: dlsym did not find it in "
        "libssl.so.3, and the program did not check that. OpenSSL 1.1.0 and later have OPENSSL_init_ssl instead."
    )
    assert finding.confidence == 1.0
    assert 'dlsym(0x5000, "SSL_library_init") = NULL' in proof(finding)
    assert "Look up OPENSSL_init_ssl" in finding.fix[0].text
    assert lines(finding) == [f"nm -D --defined-only {SSL}"]


def test_of_many_the_one_that_the_caller_asked_for() -> None:
    told = program()
    told.asks("SSL_optional", caller="probe")
    told.asks("SSL_library_init")
    told.asks("SSL_other", caller="probe")
    told.faults(0, *calls(WRAPPER))
    assert "called SSL_library_init at" in told.first().message


def test_two_that_one_function_asked_for() -> None:
    told = program()
    told.asks("SSL_library_init")
    told.asks("OPENSSL_init_ssl")
    told.faults(0, *calls(WRAPPER))

    finding = told.first()

    assert finding.confidence < 1
    assert "dlsym had not found SSL_library_init and OPENSSL_init_ssl in libssl.so.3 before" in finding.message


def test_a_table_that_another_function_of_the_file_filled_is_less_certain() -> None:
    told = program()
    told.asks("SSL_library_init", caller="load_table")
    told.asks("SSL_new", caller="load_table", address=0x7000)
    told.faults(0, *calls(WRAPPER))

    finding = told.first()

    assert finding.confidence < 1
    assert "called a function at the address NULL; dlsym had not found SSL_library_init in libssl.so.3" in (
        finding.message
    )


def test_a_dlopen_that_failed_before_is_told() -> None:
    told = Loads(GLIBC)
    told.opens("libanswer.so", handle=0, error="libanswer.so: cannot open shared object file")
    told.asks("the_answer", handle=0)
    told.faults(0, *calls(WRAPPER))

    finding = told.first()

    assert "dlopen of libanswer.so had failed: libanswer.so: cannot open shared object file" in finding.message
    assert finding.fix[0].text.startswith("Check what dlopen returns for libanswer.so")


def test_what_another_file_asked_for_is_another_matter() -> None:
    told = program()
    told.asks("SSL_library_init")
    told.faults(0, *calls("callback", module="/usr/lib/libother.so"))
    assert told.names() == []


@pytest.mark.parametrize("address", [0x28, 0x7000])
def test_a_null_pointer_that_was_read_is_no_call(address: int) -> None:
    told = program()
    told.asks("SSL_library_init")
    told.faults(0x401000, *calls(WRAPPER), address=address)
    assert told.names() == []


def test_a_symbol_that_was_found_after_all() -> None:
    told = program()
    told.asks("SSL_library_init")
    told.asks("SSL_library_init", address=0x7000)
    told.faults(0, *calls(WRAPPER))
    assert told.names() == []


def test_a_program_that_checks() -> None:
    told = program()
    told.asks("SSL_library_init")
    assert told.names(status=0) == []
    assert told.names(status=1) == []


@pytest.mark.parametrize(("distance", "certain"), [(0x12, True), (0x4000, False), (-0x12, False)])
def test_a_program_without_symbols(distance: int, certain: bool) -> None:
    told = program()
    told.asks("SSL_library_init", caller="")
    told.faults(0, Frame(ip=1, module=APP, address=distance, origin="c"))

    finding = told.first()

    assert (finding.confidence == 1.0) is certain
    assert "app (C.start, called by main.main) called " in finding.message
