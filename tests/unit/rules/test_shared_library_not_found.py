"""shared-library-not-found: who needs it, where it was looked for, where it lies, and why nobody looked there."""

from __future__ import annotations

from errno import EACCES

import pytest

from tests.unit.rules.loaded import APP, Loaded
from tests.unit.rules.scenes import lines, proof

FOO = "/srv/lib/libfoo.so"
TRIED = "/lib/x86_64-linux-gnu, /usr/lib/x86_64-linux-gnu, /lib and /usr/lib"


def test_nothing_tells_the_loader_of_the_folder() -> None:
    run = Loaded()
    run.starts(["libfoo.so", "libc.so.6"])
    run.misses("libfoo.so")
    run.lies("libfoo.so", {"path": FOO})

    finding = run.finding("shared-library-not-found")

    assert finding.message == (
        f"app needs libfoo.so, and the loader finds it nowhere: it looked in {TRIED}. It is in /srv/lib; app has no "
        "RUNPATH, and nothing else tells the loader to look there."
    )
    assert "/usr/lib/libfoo.so" in proof(finding)
    assert "`#cgo LDFLAGS: -Wl,-rpath,$ORIGIN/lib`" in finding.fix[0].text
    assert lines(finding) == [
        "patchelf --set-rpath $ORIGIN/lib /srv/app",
        "env LD_LIBRARY_PATH=/srv/lib ./app",
    ]


@pytest.mark.parametrize(
    ("runpath", "says"),
    [
        (["lib"], "the RUNPATH lib of app is relative: it begins where the program is started, here in /"),
        (["RIGIN/lib"], "the RUNPATH RIGIN/lib of app has lost its $O: a shell or make expanded it"),
        (["/opt/x"], "app has the RUNPATH /opt/x, and nothing else tells the loader to look there"),
    ],
)
def test_a_run_path_that_leads_elsewhere(runpath: list[str], says: str) -> None:
    run = Loaded(cwd="/")
    run.starts(["libfoo.so"], runpath=runpath)
    run.misses("libfoo.so")
    run.lies("libfoo.so", {"path": FOO})

    assert run.finding("shared-library-not-found").message.endswith(f"It is in /srv/lib; {says}.")


def test_a_runpath_is_not_transitive() -> None:
    run = Loaded()
    run.starts(["libfoo.so"], runpath=["$ORIGIN/lib"])
    run.maps(FOO, needed=["libbar.so"])
    run.misses("libbar.so")
    run.lies("libbar.so", {"path": "/srv/lib/libbar.so"})

    finding = run.finding("shared-library-not-found")

    assert finding.message.startswith("libfoo.so needs libbar.so, and the loader finds it nowhere")
    assert finding.message.endswith(
        "the RUNPATH $ORIGIN/lib of app is not transitive: it serves what that one needs itself, and libfoo.so has no "
        "RUNPATH."
    )
    assert finding.fix[0].text.endswith("gcc -shared ... '-Wl,-rpath,$ORIGIN'.")


def test_a_library_without_a_name_of_its_own() -> None:
    run = Loaded(cwd="/")
    run.starts(["lib/libfoo.so"])
    run.misses("libfoo.so", ["lib"])
    run.lies("libfoo.so", {"path": FOO})

    finding = run.finding("shared-library-not-found")

    assert finding.message == (
        "app needs libfoo.so, and the loader finds it nowhere: it looked in lib. It is in /srv/lib; app names it as "
        "lib/libfoo.so, a path from the current folder on: it has no soname."
    )
    assert "-Wl,-soname,libfoo.so" in finding.fix[0].text


def test_ldconfig_knows_usr_local() -> None:
    run = Loaded()
    run.starts(["libfoo.so"])
    run.misses("libfoo.so")
    run.lies("libfoo.so", {"path": "/usr/local/lib/libfoo.so"})

    assert run.finding("shared-library-not-found").fix[0].command in (("ldconfig",), ("sudo", "ldconfig"))


def test_one_that_may_not_be_read() -> None:
    run = Loaded()
    run.starts(["libfoo.so"])
    run.misses("libfoo.so", ["/srv/lib"], EACCES)
    run.misses("libfoo.so")
    run.lies("libfoo.so", {"path": FOO, "searched": True})

    assert run.finding("shared-library-not-found").message.endswith("/srv/lib/libfoo.so may not be read by this user.")


def test_another_release_is_here() -> None:
    run = Loaded()
    run.starts(["libssl.so.1.1"])
    run.misses("libssl.so.1.1")
    run.lies("libssl.so.1.1", others=["/usr/lib/x86_64-linux-gnu/libssl.so.3"])

    finding = run.finding("shared-library-not-found")

    assert "another release of it, /usr/lib/x86_64-linux-gnu/libssl.so.3, with another interface" in finding.message
    assert finding.fix[0].text == "Build app on a system with the release that is here, libssl.so.3."


def test_a_part_of_glibc() -> None:
    run = Loaded()
    run.starts(["libresolv.so.2"])
    run.misses("libresolv.so.2")
    run.lies("libresolv.so.2")

    finding = run.finding("shared-library-not-found")

    assert "belongs to glibc" in finding.fix[0].text
    assert lines(finding) == ["env CGO_ENABLED=0 go build -o app ex/app"]


def test_one_that_came_in_under_another_name_is_not_missing() -> None:
    run = Loaded()
    run.starts(["libfoo.so", "libc.so.6"])
    run.misses("libfoo.so")
    run.maps("/srv/lib/libfoo-1.2.so")
    run.lies("libfoo.so", {"path": FOO, "real": "/srv/lib/libfoo-1.2.so"})
    run.libc()

    assert run.findings() == []


def test_where_nobody_could_look_at_the_files_the_loader_says_it() -> None:
    run = Loaded()
    run.maps(APP)
    run.events.pop()  # its fact
    run.misses("libfoo.so")
    run.says("./app: error while loading shared libraries: libfoo.so: cannot open shared object file: No such file")

    assert run.finding("shared-library-not-found").message.startswith("libfoo.so is needed, and the loader finds it")


def opening(*, error: str, after: str = "") -> Loaded:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        run.misses("libclient.so", ["/lib/x86_64-linux-gnu", "/usr/lib"])
        run.opens("libclient.so", error=error)
    run.lies("libclient.so", {"path": "/opt/client/libclient.so"})
    if after:
        run.opens(after, handle=4711)
    return run


def test_a_program_that_opens_it_and_asks_why() -> None:
    finding = opening(error="libclient.so: cannot open shared object file").finding("shared-library-not-found", 1)

    assert finding.message == (
        "app opens libclient.so by dlopen, and the loader finds it nowhere: it looked in /lib/x86_64-linux-gnu and "
        "/usr/lib. It is in /opt/client; app has no RUNPATH, and nothing else tells the loader to look there."
    )
    assert 'dlopen("libclient.so", RTLD_NOW) = NULL' in proof(finding)
    assert finding.confidence == 0.9


def test_a_program_that_does_without_it() -> None:
    assert opening(error="").findings(1) == [], "it did not even ask why"
    assert opening(error="not there", after="libother.so").findings(1) == [], "it found another one"
    assert opening(error="not there").findings(0) == [], "it went well"
    later = opening(error="not there")
    later.waits(31)
    assert later.findings(1) == [], "it worked on without"
    assert opening(error="not there").findings(None, signal=15) == [], "somebody ended it"


def opened_by(filename: str, caller: str) -> Loaded:
    """A program that ends as a library is not there, opened by code in this file."""
    run = Loaded()
    run.starts()
    run.libc()
    if caller != APP:
        run.maps(caller)
    with run.calls():
        run.misses(filename.rpartition("/")[2], [filename.rpartition("/")[0]])
        run.opens(filename, error=f"{filename}: cannot open shared object file", caller=caller)
    return run


def test_a_relative_path_is_seen_from_the_folder_of_the_start() -> None:
    finding = opened_by("./nope.so", APP).finding("shared-library-not-found", 1)

    assert "app opens ./nope.so by dlopen, and there is no such file, seen from /srv. " in finding.message
    assert "apt-file" not in finding.fix[0].text
    assert finding.fix[0].text.endswith("it was started in /srv.")


@pytest.mark.parametrize("path", ["./nope.so", "/opt/nope.so"])
def test_a_program_whose_own_c_code_opens_it_does_not_build_without_cgo(path: str) -> None:
    assert lines(opened_by(path, APP).finding("shared-library-not-found", 1)) == []


@pytest.mark.parametrize("path", ["./nope.so", "/opt/nope.so"])
def test_where_another_library_opens_it_the_program_may_do_without(path: str) -> None:
    found = opened_by(path, "/usr/lib/libother.so").finding("shared-library-not-found", 1)
    assert lines(found) == ["env CGO_ENABLED=0 go build -o app ex/app"]
