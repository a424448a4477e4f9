"""missing-header: what to do where the header is nearly there, and which packages it concerns."""

from __future__ import annotations

import pytest

from tests.unit.rules.scenes import Scene, lines, missing_header


def lacks(scene: Scene, header: str, *found: str, brackets: str = "<>") -> None:
    missing_header(scene, header, shows=f"    3 | // #include {brackets[0]}{header}{brackets[1]}")
    scene.story.fact("header", header, found=list(found), complete=True)


@pytest.mark.parametrize(("header", "folder"), [("libpq-fe.h", "postgresql"), ("mysql.h", "mariadb")])
def test_a_library_with_a_folder_of_its_own_is_there_already(header: str, folder: str) -> None:
    scene = Scene(env={"CGO_CFLAGS": "-DX"})
    lacks(scene, header, f"/usr/include/{folder}/{header}")

    finding = scene.finding("missing-header")

    assert f"though there is one in /usr/include/{folder}" in finding.message
    assert lines(finding) == [f"env CGO_CFLAGS=-DX -I/usr/include/{folder} go build ."]


@pytest.mark.parametrize(
    ("header", "found", "brackets"),
    [
        ("libpq-fe.h", ["/usr/include/other/libpq-fe.h"], "<>"),
        ("libpq-fe.h", ["/usr/include/postgresql/libpq-fe.h", "/usr/include/other/libpq-fe.h"], "<>"),
        ("libpq-fe.h", ["/usr/include/postgresql/libpq-fe.h"], '""'),
        ("libpq-fe.h", ["/opt/postgresql/libpq-fe.h"], "<>"),
        ("cuda.h", ["/usr/include/linux/cuda.h"], "<>"),
        ("cuda.h", ["/usr/include/hwloc/cuda.h"], "<>"),
        ("common.h", ["/usr/include/node/common.h"], "<>"),
    ],
)
def test_a_file_that_may_be_another_librarys_is_not_there(header: str, found: list[str], brackets: str) -> None:
    scene = Scene()
    lacks(scene, header, *found, brackets=brackets)

    assert "though there is one" not in scene.finding("missing-header").message


def test_a_cross_build_is_not_sent_to_the_hosts_folder() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    shows = "    3 | // #include <libpq-fe.h>"
    missing_header(scene, "libpq-fe.h", cc="aarch64-linux-gnu-gcc", shows=shows)
    scene.story.fact("header", "libpq-fe.h", found=["/usr/include/postgresql/libpq-fe.h"], complete=True)

    assert "though there is one" not in scene.finding("missing-header").message


@pytest.mark.parametrize(
    ("packages", "named"),
    [
        (["ex/a", "ex/a"], "(package ex/a)."),
        (["ex/a", "ex/b"], "(packages ex/a and ex/b)."),
        (["ex/a", "ex/b", "ex/c", "ex/a", "ex/d"], "(packages ex/a, ex/b and 2 more)."),
    ],
)
def test_all_packages_that_include_it_are_told(packages: list[str], named: str) -> None:
    scene = Scene()
    for package in packages:
        missing_header(scene, "sqlite3.h", package)

    assert scene.finding("missing-header").message.endswith(named)
