from __future__ import annotations

import io

import pytest
from rich.text import Text

from gotrace.reports.page import Page, colour_wanted


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


def test_a_page_is_never_narrower_than_eighty() -> None:
    page = Page(20)
    page.paragraph("x" * 75)
    assert page.render(colour=False) == "x" * 75 + "\n"


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
