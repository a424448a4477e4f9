"""missing-library: ld looks for libNAME.so and libNAME.a in folder after folder."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.rules.scenes import ALPINE, LIBRARY, Scene, healthy, lines, proof

COLLECT2 = "collect2 -dynamic-linker /lib64/ld-linux-x86-64.so.2 go.o"
CANNOT = ("/usr/bin/ld", ": cannot find ", "-l{0}", ": ", "No such file or directory", "\n")


def cannot_find(
    scene: Scene, *names: str, static: bool = False, words: Sequence[str] = CANNOT, cc: str = "gcc -m64"
) -> None:
    """A link that lacks libraries; ld writes its message in pieces."""
    flags = " ".join(["-static"] * static + [f"-L{LIBRARY[0]}"] + [f"-l{name}" for name in names])
    with (
        scene.link() as link,
        scene.run(link, f"{cc} -o a.out go.o {flags}", 1) as gcc,
        scene.run(gcc, f"{COLLECT2} {flags}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld {flags}", 1) as ld,
    ):
        for name in names:
            for folder in LIBRARY:
                scene.searches(ld, f"lib{name}.so", [folder] * (not static), "openat")
                scene.searches(ld, f"lib{name}.a", [folder], "openat")
            for piece in words:
                scene.story.writes(ld, piece.format(name))
        scene.story.writes(collect2, "collect2: error: ld returned 1 exit status\n")


def test_an_unknown_library_is_named_and_no_package_guessed() -> None:
    scene = Scene()
    cannot_find(scene, "foo")

    finding = scene.finding("missing-library")

    assert "-lfoo: none of the 5 folders that the linker searched holds libfoo.so or libfoo.a" in finding.message
    assert "/usr/bin/ld: cannot find -lfoo: No such file or directory" in proof(finding)
    assert "libfoo.so" in finding.fix[0].text
    assert lines(finding) == []


@pytest.mark.parametrize(("name", "package"), [("sqlite3", "libsqlite3-dev"), ("z", "zlib1g-dev"), ("c", "libc6-dev")])
def test_the_package_that_holds_it(name: str, package: str) -> None:
    scene = Scene()
    cannot_find(scene, name)

    assert lines(scene.finding("missing-library")) == [f"apt-get install -y {package}"]


def test_its_fix_is_silent() -> None:
    scene = Scene(status=0)
    with (
        scene.link(status=0) as link,
        scene.run(link, "gcc go.o -lsqlite3") as gcc,
        scene.run(gcc, "collect2 -lsqlite3") as collect2,
        scene.run(collect2, "/usr/bin/ld -lsqlite3") as ld,
    ):
        scene.searches(ld, "libsqlite3.so", LIBRARY[:1], "openat")
        scene.searches(ld, "libsqlite3.a", LIBRARY[:1], "openat")

    assert scene.findings() == []


def test_two_libraries_are_two_findings() -> None:
    scene = Scene()
    cannot_find(scene, "foo", "bar")

    assert [finding.message.partition(":")[0] for finding in scene.findings()] == ["-lfoo", "-lbar"]


def test_only_the_run_time_library_is_there() -> None:
    scene = Scene()
    cannot_find(scene, "foo")
    found = [{"path": "/usr/lib/x86_64-linux-gnu/libfoo.so.1", "kind": "versioned so", "machine": "x86_64"}]
    scene.story.fact("library", "foo", found=found)

    finding = scene.finding("missing-library")

    assert "/usr/lib/x86_64-linux-gnu/libfoo.so.1 is only for running programs" in finding.message
    assert lines(finding) == ["ln -s /usr/lib/x86_64-linux-gnu/libfoo.so.1 /usr/lib/x86_64-linux-gnu/libfoo.so"]


def test_the_development_package_goes_before_a_link() -> None:
    scene = Scene(user="alice")
    cannot_find(scene, "sqlite3")
    found = [{"path": "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0", "kind": "versioned so", "machine": "x86_64"}]
    scene.story.fact("library", "sqlite3", found=found)

    assert lines(scene.finding("missing-library")) == ["sudo apt-get install -y libsqlite3-dev"]


def test_a_library_in_a_folder_that_is_not_searched() -> None:
    scene = Scene(env={"CGO_LDFLAGS": "-lm"})
    cannot_find(scene, "foo")
    scene.story.fact("library", "foo", found=[{"path": "/opt/lib/libfoo.so", "kind": "so", "machine": "x86_64"}])

    finding = scene.finding("missing-library")

    assert "though there is /opt/lib/libfoo.so" in finding.message
    assert lines(finding) == ["env CGO_LDFLAGS=-lm -L/opt/lib go build ."]


def test_the_hosts_own_library_is_no_help_to_a_cross_build() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    cannot_find(scene, "foo", cc="aarch64-linux-gnu-gcc")
    scene.story.fact("compiler", "/usr/bin/aarch64-linux-gnu-gcc", target="aarch64-linux-gnu", family="gcc")
    host = "/usr/lib/x86_64-linux-gnu"
    found = [(f"{host}/libfoo.so", "so"), (f"{host}/libfoo.so.1", "versioned so")]
    data = [{"path": path, "kind": kind, "machine": "x86_64"} for path, kind in found]
    scene.story.fact("library", "foo", found=data)

    finding = scene.finding("missing-library")

    assert f"{host}/libfoo.so is for x86_64" in finding.message
    assert lines(finding) == []
    assert "for linux/arm64" in finding.fix[0].text


def test_a_file_name_given_exactly() -> None:
    scene = Scene()
    with (
        scene.link() as link,
        scene.run(link, "gcc go.o -l:libfoo.so.2", 1) as gcc,
        scene.run(gcc, "collect2 -l:libfoo.so.2", 1) as collect2,
        scene.run(collect2, "/usr/bin/ld -l:libfoo.so.2", 1) as ld,
    ):
        scene.searches(ld, "libfoo.so.2", LIBRARY, "openat")
        scene.story.writes(ld, "/usr/bin/ld: cannot find -l:libfoo.so.2: No such file or directory\n")

    assert "searched holds libfoo.so.2" in scene.finding("missing-library").message


def test_a_static_link_takes_archives_only() -> None:
    scene = Scene()
    cannot_find(scene, "vips", static=True)

    finding = scene.finding("missing-library")

    assert "holds libvips.a" in finding.message
    assert lines(finding) == [], "libvips-dev has no libvips.a"


def test_a_static_link_cannot_have_what_debian_has_no_archive_of() -> None:
    scene = Scene()
    cannot_find(scene, "vips", static=True)

    finding = scene.finding("missing-library")

    assert "-lvips: this link is static, and none of the 5 folders" in finding.message
    assert finding.fix[0].text.startswith(
        "Debian's libvips-dev has no archive (libvips.a): link it dynamically, without -static, or"
    )


def looks_for(scene: Scene, library: str, file: str, flags: str = "") -> None:
    """A link with this -l, for which ld asks for this file in vain."""
    option = f"{flags} {library}".strip()
    with (
        scene.link() as link,
        scene.run(link, f"gcc go.o {option}", 1) as gcc,
        scene.run(gcc, f"collect2 {option}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld {option} -Bdynamic -lc", 1) as ld,
    ):
        scene.searches(ld, file, LIBRARY, "openat")
        scene.story.writes(ld, f"/usr/bin/ld: cannot find {library}: No such file or directory\n")


def test_only_a_part_of_the_link_is_static() -> None:
    scene = Scene()
    looks_for(scene, "-lvips", "libvips.a", "-Bstatic")

    finding = scene.finding("missing-library")

    assert "-lvips is linked statically here, and none of the 5 folders" in finding.message
    assert "without the -Bstatic before -lvips" in finding.fix[0].text


@pytest.mark.parametrize(
    ("file", "commands"),
    [("libfoo.a", []), ("libfoo.so.2", []), ("libz.a", ["apt-get install -y zlib1g-dev"]), ("libvips.a", [])],
)
def test_a_very_file_is_neither_static_nor_shared(file: str, commands: list[str]) -> None:
    scene = Scene()
    looks_for(scene, f"-l:{file}", file)

    finding = scene.finding("missing-library")

    assert f"-l:{file} names this very file, and none of the 5 folders that the linker searched holds {file}" in (
        finding.message
    )
    assert "static" not in finding.message
    assert lines(finding) == commands


def test_a_build_for_another_system_gets_no_package_of_the_host() -> None:
    env = {"GOOS": "windows", "CGO_ENABLED": "1", "CC": "x86_64-w64-mingw32-gcc"}
    scene = Scene(env=env, tools=env)
    cannot_find(scene, "z", cc="x86_64-w64-mingw32-gcc")
    scene.story.fact("compiler", "/usr/bin/x86_64-w64-mingw32-gcc", target="x86_64-w64-mingw32", family="gcc")

    finding = scene.finding("missing-library")

    assert lines(finding) == []
    assert "zlib1g-dev" not in finding.fix[0].text


@pytest.mark.parametrize(
    "skipping",
    [
        "/usr/bin/ld: skipping incompatible /opt/lib/libfoo.so when searching for -lfoo\n",
        "/usr/bin/ld : /opt/lib/libfoo.so ignoré car incompatible lors de la recherche de -lfoo\n",
        "/usr/bin/ld: 互換性のないを /opt/lib/libfoo.so スキップしました (-lfoo を探索している時)\n",
    ],
)
def test_what_is_there_is_for_another_machine(skipping: str) -> None:
    scene = Scene()
    cannot_find(scene, "foo", words=(skipping, *CANNOT))
    scene.story.fact("library", "foo", found=[{"path": "/opt/lib/libfoo.so", "kind": "so", "machine": "aarch64"}])

    finding = scene.finding("missing-library")

    assert "/opt/lib/libfoo.so (aarch64) is for another machine" in finding.message
    assert "/opt/lib/libfoo.so " in proof(finding)
    assert "for linux/amd64" in finding.fix[0].text


def test_a_library_of_another_machine_given_by_its_path() -> None:
    scene = Scene()
    path = "/home/u/hello/lib/libfoo.so"
    with (
        scene.link() as link,
        scene.run(link, f"gcc go.o {path}", 1) as gcc,
        scene.run(gcc, f"collect2 go.o {path}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld go.o {path}", 1) as ld,
    ):
        scene.story.writes(ld, f"/usr/bin/ld: {path}: error adding symbols: file in wrong format\n")

    finding = scene.finding("missing-library")

    assert f"The library {path} is for another machine" in finding.message
    assert finding.confidence < 1.0
    assert proof(finding).count("file in wrong format") == 1


def test_a_library_of_another_machine_given_by_its_path_in_another_language() -> None:
    scene = Scene()
    path = "/home/u/hello/lib/libfoo.so"
    with (
        scene.link() as link,
        scene.run(link, f"gcc go.o {path}", 1) as gcc,
        scene.run(gcc, f"collect2 go.o {path}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld go.o {path}", 1) as ld,
    ):
        why = "erreur lors de l'ajout de symboles : fichier dans un mauvais format"
        scene.story.writes(ld, f"/usr/bin/ld : {path} : {why}\n")
    scene.story.fact("library", path, found=[{"path": path, "kind": "so", "machine": "aarch64"}])

    assert f"The library {path} is for another machine (aarch64)" in scene.finding("missing-library").message


@pytest.mark.parametrize("machine", [None, "x86_64", "aarch64"])
def test_a_file_that_ld_does_not_know_is_foreign_only_if_its_header_says_so(machine: str | None) -> None:
    scene = Scene()
    path = "/home/u/hello/lib/libfoo.so"
    with (
        scene.link() as link,
        scene.run(link, f"gcc go.o {path}", 1) as gcc,
        scene.run(gcc, f"collect2 go.o {path}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld go.o {path}", 1) as ld,
    ):
        words = f"/usr/bin/ld:{path}: file format not recognized; treating as linker script\n"
        scene.story.writes(ld, words)
        scene.story.writes(ld, f"/usr/bin/ld:{path}:1: syntax error\n")
    if machine:
        scene.story.fact("library", path, found=[{"path": path, "kind": "so", "machine": machine}])

    if machine == "aarch64":
        assert f"{path} is for another machine (aarch64) than this link" in scene.finding("missing-library").message
    else:
        assert scene.findings() == []


@pytest.mark.parametrize(
    ("folder", "said"), [("/opt/lib", True), ("/usr/lib/x86_64-linux-gnu", False), ("/usr/local/lib", False)]
)
def test_a_library_where_the_loader_does_not_look_needs_more_to_run(folder: str, said: bool) -> None:
    scene = Scene()
    cannot_find(scene, "foo")
    found = [{"path": f"{folder}/libfoo.so.1", "kind": "versioned so", "machine": "x86_64"}]
    scene.story.fact("library", "foo", found=found)

    text = scene.finding("missing-library").fix[0].text

    assert (f"LD_LIBRARY_PATH={folder}" in text) is said


def test_a_fact_that_found_nothing_is_no_evidence() -> None:
    scene = Scene()
    cannot_find(scene, "foo")
    scene.story.fact("library", "foo", found=[])

    assert "fact" not in [evidence.event for evidence in scene.finding("missing-library").evidence]


def test_a_cross_build_needs_the_package_of_the_target() -> None:
    env = {"GOARCH": "arm64", "CGO_ENABLED": "1", "CC": "aarch64-linux-gnu-gcc"}
    scene = Scene(env=env, tools=env)
    with (
        scene.link() as link,
        scene.run(link, "aarch64-linux-gnu-gcc go.o -lsqlite3", 1) as gcc,
        scene.run(gcc, "/usr/lib/gcc-cross/aarch64-linux-gnu/12/collect2 -lsqlite3", 1) as collect2,
        scene.run(
            collect2, "/usr/lib/gcc-cross/aarch64-linux-gnu/12/../../../../aarch64-linux-gnu/bin/ld -lsqlite3", 1
        ) as ld,
    ):
        scene.searches(ld, "libsqlite3.so", LIBRARY, "openat")
        scene.story.writes(ld, "ld: cannot find -lsqlite3: No such file or directory\n")

    assert "libsqlite3-dev:arm64" in lines(scene.finding("missing-library"))[0]


def test_other_words_of_ld_are_no_missing_library() -> None:
    scene = Scene()
    cannot_find(scene, "sqlite3", words=("/usr/bin/ld: go.o: undefined reference to `sqlite3_foo'\n",))

    assert scene.findings() == []


def test_a_link_that_go_can_do_without_is_none() -> None:
    """go links _cgo_.o to learn its imports; where that fails the package is compiled all the same."""
    scene = Scene()
    with scene.cgo("ex/hello", 0):
        pass
    b001 = "/tmp/go-build496108998/b001"
    with (
        scene.run(1, f"gcc -o {b001}/_cgo_.o {b001}/_x001.o -lfoo", 1) as gcc,
        scene.run(gcc, "collect2 -lfoo", 1) as collect2,
        scene.run(collect2, "/usr/bin/ld -lfoo", 1) as ld,
    ):
        scene.searches(ld, "libfoo.so", LIBRARY, "openat")
        scene.story.writes(ld, "/usr/bin/ld: cannot find -lfoo: No such file or directory\n")
    with scene.run(1, f"compile -o {b001}/_pkg_.a -p main -importcfg {b001}/importcfg a.go", 2) as compile_:
        scene.story.writes(compile_, "./a.go:7:2: undefined: x\n")

    assert scene.findings() == []


def test_many_programs_lack_it_once() -> None:
    scene = Scene("go build ./...")
    for _ in range(5):
        cannot_find(scene, "sqlite3")

    assert lines(scene.finding("missing-library")) == ["apt-get install -y libsqlite3-dev"]


def test_alpine_gets_the_file_named() -> None:
    scene = Scene(host=ALPINE)
    cannot_find(scene, "sqlite3")

    assert "libsqlite3.so" in scene.finding("missing-library").fix[0].text


def test_a_healthy_build() -> None:
    scene = Scene(status=0)
    healthy(scene)

    assert scene.findings() == []
