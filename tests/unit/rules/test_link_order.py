"""link-order: which archive has the symbol is known from the archives, not guessed."""

from __future__ import annotations

import pytest

from tests.unit.rules.links import archive, fails_to_link
from tests.unit.rules.scenes import Scene, lines, proof
from tests.unit.rules.test_recordings import diagnosis_of

ENGLISH = "a.c:(.text+0x5): undefined reference to `b'"
FRENCH = "a.c:(.text+0x5)\N{NO-BREAK SPACE}: référence indéfinie vers «\N{NO-BREAK SPACE}b\N{NO-BREAK SPACE}»"
RUSSIAN = "a.c:(.text+0x5): неопределённая ссылка на «b»"
JAPANESE = "a.c:7: `b' に対する定義されていない参照です"
LIB = "/opt/lib"


def too_early(scene: Scene, line: str = ENGLISH, flags: str = f"-L{LIB} -lb -la") -> int:
    return fails_to_link(scene, flags, f"/usr/bin/ld: {LIB}/liba.a(a.o): in function `a':", line)


def test_the_recording_and_its_fix() -> None:
    finding = diagnosis_of("link-order").findings[0]
    assert finding.name == "link-order"
    assert finding.message.startswith("-lb stands before -la in the link")
    assert diagnosis_of("link-order.fixed").findings == []


@pytest.mark.parametrize("line", [ENGLISH, FRENCH, RUSSIAN, JAPANESE])
def test_in_any_language(line: str) -> None:
    scene = Scene()
    ld = too_early(scene, line)
    archive(scene, ld, f"{LIB}/libb.a", 5, argument="-lb", defines=["b"])
    archive(scene, ld, f"{LIB}/liba.a", 6, argument="-la", needs=["b"])

    finding = scene.finding("link-order")

    assert f"{LIB}/liba.a needs b of {LIB}/libb.a" in finding.message
    assert "name -la before -lb" in finding.fix[0].text
    assert lines(finding) == [f"env CGO_LDFLAGS=-O2 -g -L{LIB} -lb go build ."]
    assert f'/* archive "{LIB}/libb.a"' in proof(finding)
    assert finding.confidence == 1.0


def test_archives_given_by_their_paths() -> None:
    scene = Scene(env={"CGO_LDFLAGS": "-lm"})
    ld = too_early(scene, flags=f"{LIB}/libb.a {LIB}/liba.a")
    archive(scene, ld, f"{LIB}/libb.a", 5, defines=["b"])
    archive(scene, ld, f"{LIB}/liba.a", 6, needs=["b"])

    assert lines(scene.finding("link-order")) == [f"env CGO_LDFLAGS=-lm {LIB}/libb.a go build ."]


def test_a_symbol_that_no_archive_has_is_another_problem() -> None:
    scene = Scene()
    ld = too_early(scene)
    archive(scene, ld, f"{LIB}/liba.a", 6, argument="-la", needs=["b"])

    assert scene.findings() == []


def test_an_archive_behind_its_user_is_in_order() -> None:
    scene = Scene()
    ld = too_early(scene)
    archive(scene, ld, f"{LIB}/liba.a", 5, argument="-la", needs=["b"])
    archive(scene, ld, f"{LIB}/libb.a", 6, argument="-lb", defines=["b"])

    assert scene.findings() == []


def test_another_archive_with_the_symbol_behind_its_user() -> None:
    scene = Scene()
    ld = too_early(scene)
    archive(scene, ld, f"{LIB}/libb.a", 5, argument="-lb", defines=["b"])
    archive(scene, ld, f"{LIB}/liba.a", 6, argument="-la", needs=["b"])
    archive(scene, ld, f"{LIB}/libbb.a", 7, argument="-lbb", defines=["b"])

    assert scene.findings() == []


def test_archives_of_another_link_do_not_count() -> None:
    scene = Scene()
    ld = too_early(scene)
    archive(scene, ld + 100, f"{LIB}/libb.a", 5, argument="-lb", defines=["b"])
    archive(scene, ld, f"{LIB}/liba.a", 6, argument="-la", needs=["b"])

    assert scene.findings() == []
