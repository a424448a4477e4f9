"""Which archives of a failed link define and need what the linker complained of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gotrace.capture.facts.archives import archive_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story
from tests.unit.elf.test_symbols import GLOBAL, archive_of, object_file

UNDEFINED = "a.c:(.text+0x5): undefined reference to `b'\n"


def linking(*argv: str, cwd: Path, says: str = UNDEFINED, status: int = 1) -> dict[str, dict[str, Any]]:
    """The facts of a link, by the names of their files."""
    story = Story()
    pid = story.starts("/usr/bin/ld", "-o", "a.out", *argv, cwd=str(cwd))
    story.says(pid, says)
    story.ends(pid, status=status)
    facts = archive_facts(Processes(story.events))
    assert all(fact.data.pop("pid") == pid for fact in facts)
    return {Path(fact.subject).name: fact.data for fact in facts}


def put(folder: Path, name: str, *, defines: bytes = b"", needs: bytes = b"") -> None:
    symbols = [(symbol, GLOBAL, section) for symbol, section in ((defines, 1), (needs, 0)) if symbol]
    (folder / name).write_bytes(archive_of(object_file(symbols)))


def test_who_defines_it_and_who_needs_it(tmp_path: Path) -> None:
    put(tmp_path, "libb.a", defines=b"b")
    put(tmp_path, "liba.a", defines=b"a", needs=b"b")
    put(tmp_path, "libother.a", defines=b"other")
    assert linking(f"-L{tmp_path}", "-lb", "-la", "-lother", "-lb", cwd=tmp_path) == {
        "libb.a": {"argument": "-lb", "positions": [4, 7], "defines": ["b"], "needs": [], "cplusplus": []},
        "liba.a": {"argument": "-la", "positions": [5], "defines": [], "needs": ["b"], "cplusplus": []},
    }


def test_a_path_as_seen_from_the_links_folder(tmp_path: Path) -> None:
    put(tmp_path, "libb.a", defines=b"b")
    assert linking("libb.a", cwd=tmp_path)["libb.a"]["argument"] == "libb.a"


def test_a_shared_library_goes_before_an_archive_but_not_statically(tmp_path: Path) -> None:
    put(tmp_path, "libb.a", defines=b"b")
    (tmp_path / "libb.so").write_bytes(b"")
    assert linking(f"-L{tmp_path}", "-lb", cwd=tmp_path) == {}
    assert set(linking("-Bstatic", f"-L{tmp_path}", "-lb", cwd=tmp_path)) == {"libb.a"}
    assert set(linking(f"-L{tmp_path}", "-l:libb.a", cwd=tmp_path)) == {"libb.a"}


def test_what_an_archive_has_itself_it_does_not_need(tmp_path: Path) -> None:
    members = (object_file([(b"b", GLOBAL, 0)]), object_file([(b"b", GLOBAL, 1)]))
    (tmp_path / "liba.a").write_bytes(archive_of(*members))
    assert linking("liba.a", cwd=tmp_path)["liba.a"]["needs"] == []


def test_symbols_of_the_cpp_library(tmp_path: Path) -> None:
    put(tmp_path, "libf.a", needs=b"_Znwm")
    put(tmp_path, "libc.a", needs=b"__cxa_atexit")
    said = "f.cc:(.text+0x5): undefined reference to `operator new(unsigned long)'\n"
    assert {name: data["cplusplus"] for name, data in linking("libf.a", "libc.a", cwd=tmp_path, says=said).items()} == {
        "libf.a": ["_Znwm"]
    }


def test_nothing_is_read_for_a_link_that_succeeded_or_complained_of_no_symbol(tmp_path: Path) -> None:
    put(tmp_path, "libb.a", defines=b"b")
    assert linking("libb.a", cwd=tmp_path, status=0) == {}
    assert linking("libb.a", cwd=tmp_path, says="ld: cannot find -lx\n") == {}


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "libb.a").mkdir()
    assert linking("libb.a", "gone.a", cwd=tmp_path) == {}
