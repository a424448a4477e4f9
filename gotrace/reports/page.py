"""A page of styled lines: what a text report puts together before it becomes a string, with or without colour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.text import Text

NARROWEST = 40
"""Columns; a narrower terminal wraps by itself."""
USUAL = 80
WITHOUT_TERMINAL = 100
"""Columns for files and logs where COLUMNS does not say."""


class Page:
    """Lines from top to bottom. Paragraphs wrap at the page's width; verbatim lines never do."""

    def __init__(self, width: int) -> None:
        self.width = max(width, NARROWEST)
        self._lines: list[Text] = []
        # Only measures and wraps; what it would print goes nowhere.
        self._ruler = Console(file=StringIO(), width=self.width, color_system=None)

    def blank(self) -> None:
        """An empty line, but never two in a row and never as the first."""
        if self._lines and self._lines[-1].plain:
            self._lines.append(Text(""))

    def paragraph(self, text: Text | str, *, label: Text | str = "", indent: int = 0, hang: int | None = None) -> None:
        """Wrapped text after `label`, further lines below the first or from column `hang`; nothing for an empty one."""
        if not text:
            return
        body = _text(text)
        start = Text(" " * indent) + _text(label)
        if hang is not None:  # the label is the text's own beginning
            start, body = Text(" " * indent), _text(label) + body
        column = start.cell_len if hang is None else hang
        wrapped = body.wrap(self._ruler, max(self.width - max(column, start.cell_len), 16))
        for number, line in enumerate(wrapped or [body]):
            line.rstrip()
            self._add((start if number == 0 else Text(" " * column)) + line)

    def verbatim(self, text: Text | str, *, indent: int = 0) -> None:
        """One line as it is, however long: a command that is to be pasted."""
        self._add(Text(" " * indent) + _text(text))

    def _add(self, line: Text) -> None:
        """One row. Blanks and then `::` are the beginning of a command to GitHub Actions, whoever wrote it."""
        if line.plain.lstrip().startswith("::"):
            at = line.plain.index("::")
            line = line[:at] + Text("\\x3a") + line[at + 1 :]
        self._lines.append(line)

    def render(self, *, colour: bool) -> str:
        """The page as a string that ends with one newline; empty where nothing is on it."""
        while self._lines and not self._lines[-1].plain:
            self._lines.pop()
        if not colour:
            return "".join(f"{line.plain}\n" for line in self._lines)
        drawn = StringIO()
        # The sixteen standard colours follow the reader's own palette; whether to use them is decided already.
        console = Console(file=drawn, force_terminal=True, color_system="standard", no_color=False, width=self.width)
        for line in self._lines:
            console.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)
        return drawn.getvalue()


def colour_wanted(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream gets colours: NO_COLOR, then FORCE_COLOR and CLICOLOR_FORCE, then whether it is a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream.isatty() and environ.get("TERM", "") != "dumb"


def width_of(stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> int:
    """Columns of the terminal behind a stream; of a pipe or a file COLUMNS, else a width that suits logs."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream is not None else 0
    except (OSError, ValueError):
        columns = 0
    wanted = environ.get("COLUMNS", "")
    # A terminal that does not know its size (a serial line, some CI) says 0.
    return columns or (int(wanted) if wanted.isascii() and wanted.isdigit() and int(wanted) else WITHOUT_TERMINAL)


def _text(text: Text | str) -> Text:
    return text if isinstance(text, Text) else Text(text)
