"""Facts of what a loader refused: where the files lie, of which kind they are, and which symbols nobody defines."""

from __future__ import annotations

import os
import shutil
from errno import ENOENT
from pathlib import Path

from gotrace.capture.facts.binaries import binary_facts
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.refused import inside, refused
from gotrace.capture.facts.shared_objects import shared_object_facts
from gotrace.capture.facts.undefined import undefined_symbol_facts
from gotrace.events.model import Dlopen, Exec, Exit, Fork, KnownEvent, Library, SyscallError

LIBC = os.path.realpath("/lib/x86_64-linux-gnu/libc.so.6")
LIBM = os.path.realpath("/lib/x86_64-linux-gnu/libm.so.6")
LD = os.path.realpath("/lib64/ld-linux-x86-64.so.2")


def run(
    program: str, *events: KnownEvent, status: int = 127, cwd: str = "/", env: dict[str, str] | None = None
) -> list[KnownEvent]:
    start = Exec(ts_ns=1, pid=7, path=program, argv=(program,), env=env or {}, cwd=cwd)
    return [start, *events, Exit(ts_ns=99, pid=7, status=status)]


def maps(*paths: str) -> list[Library]:
    return [Library(ts_ns=2 + n, pid=7, path=path, base=4096 * (n + 1), size=4096) for n, path in enumerate(paths)]


def missing(*paths: str) -> list[SyscallError]:
    return [SyscallError(ts_ns=20 + n, pid=7, syscall="openat", errno=ENOENT, paths=(p,)) for n, p in enumerate(paths)]


def test_a_relative_path_that_could_not_be_executed_begins_where_the_shell_was() -> None:
    events: list[KnownEvent] = [
        Exec(ts_ns=1, pid=7, path="/bin/sh", argv=("sh",), env={}, cwd="/usr"),
        Fork(ts_ns=2, pid=7, child_pid=8),
        Exec(ts_ns=3, pid=8, path="bin/env", argv=("env",), error=ENOENT),
        Exit(ts_ns=4, pid=8, status=127),
        Exit(ts_ns=5, pid=7, status=127),
    ]
    assert ("/usr/bin/env", 8) in [(fact.subject, fact.pid) for fact in binary_facts(Processes(events), events)]


def test_what_chroot_could_not_execute_lies_below_its_folder(tmp_path: Path) -> None:
    shutil.copy("/usr/bin/env", tmp_path / "app")
    events: list[KnownEvent] = [
        Exec(ts_ns=1, pid=7, path="/usr/sbin/chroot", argv=("chroot", str(tmp_path), "/app"), env={}, cwd="/"),
        Exec(ts_ns=2, pid=7, path="/app", argv=("/app",), error=ENOENT),
        Exit(ts_ns=3, pid=7, status=127),
    ]

    assert [(one.path, one.root) for one in refused(Processes(events), events)] == [("/app", str(tmp_path))]
    (fact,) = [fact for fact in binary_facts(Processes(events), events) if fact.subject == "/app"]
    assert (fact.data["interpreter_there"], fact.data["root"]) == (False, str(tmp_path))


def test_links_of_another_root_lead_from_that_root_on(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "usr/lib/ld.so").symlink_to("../../usr/lib/ld-1.so")
    (tmp_path / "loop").symlink_to("loop")

    assert inside(str(tmp_path), "/lib/ld.so") == f"{tmp_path}/usr/lib/ld-1.so"
    assert inside(str(tmp_path), "/../lib/x") == f"{tmp_path}/usr/lib/x"
    assert inside(str(tmp_path), "/loop").startswith(str(tmp_path))
    assert inside("", "/lib/x") == "/lib/x"


def test_where_the_loader_looked_is_told_of_each_file(tmp_path: Path) -> None:
    for name in ("given", "walked", "near"):
        (tmp_path / name).mkdir()
        shutil.copy(LIBM, tmp_path / name / "libx.so")
    (tmp_path / "given/libx.so").write_text("version https://git-lfs.github.com/spec/v1\n")
    events = run(
        str(tmp_path / "app"),
        *missing(f"{tmp_path}/walked/glibc-hwcaps/x86-64-v3/libx.so", "/usr/lib/libx.so"),
        cwd=str(tmp_path),
        env={"LD_LIBRARY_PATH": "given"},
    )

    (fact,) = shared_object_facts(Processes(events), events)

    assert fact.data["tried"] == ["/usr/lib"]
    assert {one["path"]: (one["machine"], one.get("searched")) for one in fact.data["found"]} == {
        f"{tmp_path}/walked/libx.so": ("x86_64", True),
        f"{tmp_path}/given/libx.so": (None, True),
        f"{tmp_path}/near/libx.so": ("x86_64", None),
    }


def test_a_link_tells_what_it_leads_to(tmp_path: Path) -> None:
    shutil.copy(LIBM, tmp_path / "libx.so.1.2")
    (tmp_path / "libx.so").symlink_to("libx.so.1.2")
    events = run(str(tmp_path / "app"), *missing("/usr/lib/libx.so"), cwd=str(tmp_path))

    (fact,) = shared_object_facts(Processes(events), events)

    assert fact.data["found"][0]["real"] == f"{tmp_path}/libx.so.1.2"


def test_other_releases_of_a_library_that_is_nowhere(tmp_path: Path) -> None:
    shutil.copy(LIBM, tmp_path / "libx-of-a-test.so.3")
    events = run("/srv/app", *missing(f"{tmp_path}/libx-of-a-test.so.1.1"))

    (fact,) = shared_object_facts(Processes(events), events)

    assert fact.data == {"tried": [str(tmp_path)], "found": [], "others": [f"{tmp_path}/libx-of-a-test.so.3"]}


def test_a_needed_library_that_left_no_failing_call(tmp_path: Path) -> None:
    """The first candidate was there, and no ELF file: the loader stops at once."""
    events = run("/bin/ls", *maps(os.path.realpath("/bin/ls"), LD))

    names = {fact.subject for fact in shared_object_facts(Processes(events), events)}

    assert "libc.so.6" in names
    assert "ld-linux-x86-64.so.2" not in names


def test_the_preload_file_is_no_library() -> None:
    events = run("/srv/app", *missing("/etc/ld.so.preload", "/etc/ld.so.cache"))
    assert shared_object_facts(Processes(events), events) == []


def test_a_library_that_dlopen_refused_is_described(tmp_path: Path) -> None:
    shutil.copy(LIBM, tmp_path / "libx.so")
    opened = Dlopen(ts_ns=30, pid=7, filename="./libx.so", flags=2, handle=0)
    events = run(str(tmp_path / "app"), *maps(LD), opened, status=1, cwd=str(tmp_path))
    path = f"{tmp_path}/libx.so"

    assert path in {fact.subject for fact in binary_facts(Processes(events), events)}
    assert path in {fact.subject for fact in undefined_symbol_facts(Processes(events), events)}
    assert "libx.so" in {fact.subject for fact in shared_object_facts(Processes(events), events)}


def test_symbols_that_nothing_defines() -> None:
    events = run("/srv/app", *maps(LD, LIBM))
    facts = {fact.subject: fact.data for fact in undefined_symbol_facts(Processes(events), events)}
    assert "__errno_location" in facts[LIBM]["symbols"] or "fputs" in facts[LIBM]["symbols"]
    assert facts[LIBM]["count"] >= len(facts[LIBM]["symbols"])


def test_a_complete_program_lacks_none() -> None:
    events = run("/srv/app", *maps(LD, LIBM, LIBC))
    assert undefined_symbol_facts(Processes(events), events) == []


def test_nobody_looks_for_symbols_of_a_program_that_ended_in_another_way() -> None:
    events = run("/srv/app", *maps(LD, LIBM), status=1)
    assert undefined_symbol_facts(Processes(events), events) == []


def test_what_came_in_before_an_exec_belongs_to_another_program() -> None:
    events = run("/srv/app", *maps(LD, LIBM), Exec(ts_ns=50, pid=7, path="/srv/b", argv=("b",), env={}, cwd="/"))
    assert LIBM not in {fact.subject for fact in binary_facts(Processes(events), events)}
