"""Where `import "C"` stands in a Go file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.facts.import_c import Position, import_c_position


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ('package p\nimport "C"\n', Position(2, 8)),
        ("package p; import `C`", Position(1, 19)),
        ('\ufeff//go:build cgo\n\n/* int f(void); */\npackage p\n\n// x\nimport "C"', Position(7, 8)),
        ('package p\nimport "fmt"\nimport "C"', Position(3, 8)),
        ('package p\nimport (\n\t"fmt"\n\t. "os"\n\t_ "embed" // "C"\n\t"C"\n)', Position(6, 2)),
        ('package größe\nimport x "os"; import "C"', Position(2, 23)),
        ('package p\nimport(f "fmt";"C")', Position(2, 16)),
        ('package p\nimport ()\nimport "C"', Position(3, 8)),
    ],
)
def test_it_is_found_where_go_says_it_is(source: str, position: Position) -> None:
    assert import_c_position(source.encode()) == position


@pytest.mark.parametrize(
    "source",
    [
        "",
        "package p",
        'package p\n// import "C"\nimport "fmt"',
        'package p\n/*\nimport "C"\n*/',
        'package p\nimport "fmt"\nconst s = `\nimport "C"\n`',
        'package p\nimport "CC"',
        'import "C"\npackage p',
        'package p\n/* import "C"',
        'package p\nfunc f() {}\nimport "C"',
        'package p\nimport (\n"fmt"',
    ],
)
def test_a_mere_mention_does_not_count(source: str) -> None:
    assert import_c_position(source.encode()) is None


_BLANKS = st.sampled_from([" ", "\n", "\t", '/* import "C" */', '// import "C"\n', "/**/"])
_GAP = st.lists(_BLANKS, min_size=1, max_size=4).map("".join).map(lambda gap: f" {gap}\n")


@given(_GAP, _GAP, st.lists(st.sampled_from(["fmt", "os", "C/d"]), max_size=3), _GAP)
def test_comments_anywhere_move_it_but_do_not_hide_it(before: str, after: str, others: list[str], gap: str) -> None:
    others_text = "".join(f'import{gap}"{name}"\n' for name in others)
    start = f"{before}package p\n{others_text}import{after}"
    position = import_c_position(f'{start}"C"\n'.encode())
    assert position == Position(start.count("\n") + 1, 1)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(source: bytes) -> None:
    for text in (source, b"package p\nimport (" + source, b"package p\nimport " + source):
        position = import_c_position(text)
        assert position is None or text.splitlines() != []
