from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from gotrace.reports.page import Page, colour_wanted, width_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        (io.StringIO(), {"CLICOLOR_FORCE": "0"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_who_gets_colours(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    assert colour_wanted(stream, environ) is wanted


def test_a_paragraph_wraps_below_its_first_word() -> None:
    page = Page(80)
    page.paragraph("word " * 20, label="  label  ")
    lines = page.render(colour=False).splitlines()
    assert lines[0].startswith("  label  word word")
    assert lines[1].startswith("         word")
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)


def test_a_page_is_never_narrower_than_forty() -> None:
    page = Page(20)
    page.paragraph("x" * 38)
    assert page.render(colour=False) == "x" * 38 + "\n"


@given(words=st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=30), width=st.integers(40, 60))
def test_a_narrow_page_breaks_lines_between_words(words: list[str], width: int) -> None:
    page = Page(width)
    page.paragraph(" ".join(words), label="not evaluated: ", hang=2)
    lines = page.render(colour=False).splitlines()
    assert max(map(len, lines)) <= width
    assert [word for line in lines for word in line.split()] == ["not", "evaluated:", *words]


def test_behind_a_label_that_hangs_lines_are_as_long_as_the_page() -> None:
    page = Page(60)
    page.paragraph("word " * 40, label="not evaluated: ", hang=2)
    first, *rest, _ = page.render(colour=False).splitlines()
    assert len(first) > 50
    assert all(line.startswith("  word") and len(line) > 50 for line in rest)


@pytest.mark.parametrize(
    ("environ", "width"), [({}, 100), ({"COLUMNS": "63"}, 63), ({"COLUMNS": "0"}, 100), ({"COLUMNS": "wide"}, 100)]
)
def test_without_a_terminal_the_variable_columns_decides(environ: dict[str, str], width: int) -> None:
    assert width_of(io.StringIO(), environ) == width_of(None, environ) == width


def test_verbatim_is_never_wrapped_and_markup_is_text() -> None:
    page = Page(80)
    page.verbatim(Text("[b]x[/b] " * 40, "bold"))
    assert page.render(colour=False) == "[b]x[/b] " * 40 + "\n"
    assert Text.from_ansi(page.render(colour=True)).plain.rstrip() == ("[b]x[/b] " * 40).rstrip()


def test_blank_lines_never_pile_up() -> None:
    page = Page(80)
    page.blank()
    page.paragraph("a")
    page.blank()
    page.blank()
    page.paragraph("")
    page.paragraph("b")
    assert page.render(colour=False) == "a\n\nb\n"


def test_no_row_is_a_command_to_a_ci_however_it_came_to_begin_so() -> None:
    page = Page(40)
    page.paragraph("::error::x", indent=4)
    page.paragraph("wrapped just in front of the ::error::y")
    page.verbatim(Text("::set-output name=a::b", "bold"))
    page.paragraph("std::vector")
    shown = page.render(colour=False)
    assert not [row for row in shown.splitlines() if row.lstrip().startswith("::")]
    assert "    \\x3a:error::x\n" in shown
    assert "std::vector\n" in shown
