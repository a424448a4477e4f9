"""two-word-compiler: Go's linker asks the first word of CC alone."""

from __future__ import annotations

from collections.abc import Mapping

from tests.unit.rules.scenes import ALPINE, DEBIAN, Scene, lines
from tests.unit.rules.test_recordings import diagnosis_of

NAME = "two-word-compiler"
LINK = "/tmp/go-link-1"
MINUS = "-ldflags=-extldflags=-no-pie"


def linked(
    cc: str = "ccache gcc",
    *,
    command: str = "go build .",
    answer: int = 1,
    pie: str = "-pie",
    host: Mapping[str, str] = DEBIAN,
    status: int = 0,
) -> Scene:
    """A build whose linker asks the first word of CC, and then links with all of them."""
    scene = Scene(command, env={"CGO_ENABLED": "1", "CC": cc}, status=status, host=host)
    with scene.link(status=2 if status else 0) as link:
        for option in ("-no-pie", "-nopie"):
            with scene.run(link, f"{cc.split(maxsplit=1)[0]} -m64 -o {LINK}/a.out {option} {LINK}/trivial.c", answer):
                pass
        with (
            scene.run(link, f"{cc} -m64 -o a.out {LINK}/go.o -O2") as driver,
            scene.run(driver, "collect2 -o a.out") as collect2,
            scene.run(collect2, f"/usr/bin/ld {pie} -o a.out"),
        ):
            pass
    return scene


def test_the_recording() -> None:
    assert [finding.name for finding in diagnosis_of(NAME).findings] == [NAME]


def test_a_link_to_ccache_or_the_option_itself() -> None:
    finding = linked().finding(NAME)

    assert finding.message.startswith("CC=ccache gcc: Go's linker asked ccache alone whether it knows -no-pie")
    assert finding.severity.value == "warning"
    assert lines(finding) == [
        "env CGO_ENABLED=1 CC=/usr/lib/ccache/gcc go build .",
        f"env CGO_ENABLED=1 CC='ccache gcc' go build {MINUS} .".replace("'", ""),
    ]
    assert finding.confidence == 1.0


def test_other_launchers_and_systems_get_no_path_that_may_not_be_there() -> None:
    for scene in (linked("distcc gcc"), linked(host=ALPINE)):
        finding = scene.finding(NAME)
        assert finding.fix[0].command is None
        assert "one word in CC" in finding.fix[0].text


def test_options_for_the_linker_are_not_replaced() -> None:
    finding = linked(command="go build -ldflags=-extldflags=-Wl,-z,now .").finding(NAME)
    assert [line for line in lines(finding) if "no-pie" in line] == []


def test_a_compiler_of_one_word_that_knows_no_such_option() -> None:
    assert linked("gcc").findings() == []


def test_an_option_behind_the_compiler_is_no_launcher() -> None:
    assert linked("gcc -Os").findings() == []


def test_a_launcher_that_answers() -> None:
    assert linked(answer=0).findings() == []


def test_a_compiler_that_makes_no_such_program_by_default() -> None:
    assert linked(pie="-static").findings() == []
