"""not-position-independent: relocations that need a fixed address."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import GO_LINK, fails_to_link
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

PIE = "can not be used when making a PIE object; recompile with -fPIE"
ENGLISH = f"/usr/bin/ld: /opt/lib/liba.a(a.o): relocation R_X86_64_32S against symbol `t' {PIE}"
FRENCH = (
    "/usr/bin/ld: /opt/lib/liba.a(a.o): réadressage R_X86_64_32S vers symbole «\N{NO-BREAK SPACE}t\N{NO-BREAK SPACE}» "
    "ne peut pas être utilisé en créant un objet PIE; recompilez avec -fPIE"
)
UKRAINIAN = (
    "/usr/bin/ld: /opt/lib/liba.a(a.o): пересування R_X86_64_32S щодо символ «t», не можна використовувати під час "
    "створення PIE; виконайте повторне збирання з -fPIE"
)


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("not-position-independent").findings[0]
    assert finding.name == "not-position-independent"
    assert "liba.a (a.o) was compiled without -fPIC" in finding.message
    assert diagnosis_of("not-position-independent.fixed").findings == []


@pytest.mark.parametrize("line", [ENGLISH, FRENCH, UKRAINIAN])
def test_in_any_language(line: str) -> None:
    scene = Scene("go build -buildmode=pie .")
    fails_to_link(scene, "-pie -L/opt/lib -la", line)

    finding = scene.finding("not-position-independent")

    assert "/opt/lib/liba.a (a.o) was compiled without -fPIC" in finding.message
    assert "R_X86_64_32S" in proof(finding)
    assert lines(finding) == ["env go build -buildmode=exe ."]
    assert finding.confidence < 1


def test_a_build_mode_in_goflags() -> None:
    scene = Scene(env={"GOFLAGS": "-buildmode=pie"})
    fails_to_link(scene, "-pie -L/opt/lib -la", ENGLISH)

    assert lines(scene.finding("not-position-independent")) == ["env GOFLAGS=-buildmode=exe go build ."]


def test_a_shared_library_cannot_do_without() -> None:
    scene = Scene("go build -buildmode=c-shared .")
    fails_to_link(scene, "-shared -L/opt/lib -la", ENGLISH.replace("a PIE object", "a shared object"))

    finding = scene.finding("not-position-independent")

    assert "this link makes a shared library" in finding.message
    assert lines(finding) == []


def test_many_places_in_one_archive_are_one_finding() -> None:
    scene = Scene()
    fails_to_link(scene, "-pie -la", ENGLISH, ENGLISH.replace("`t'", "`u'"), ENGLISH.replace("a.o", "b.o"))

    assert len(scene.findings()) == 1


def test_c_code_of_the_build_itself() -> None:
    scene = Scene()
    fails_to_link(scene, "-pie", ENGLISH.replace("/opt/lib/liba.a(a.o)", f"{GO_LINK}/000001.o"))

    finding = scene.finding("not-position-independent")

    assert finding.message.startswith("C or assembler code of a Go package was compiled without -fPIC")
    assert "CGO_CFLAGS" in finding.fix[0].text


def test_a_program_at_a_fixed_address_is_no_case() -> None:
    scene = Scene()
    fails_to_link(scene, "-no-pie -la", ENGLISH)

    assert scene.findings() == []
