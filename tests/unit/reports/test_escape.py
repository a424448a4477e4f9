from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.reports.escape import safe_block, safe_json, safe_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x07\x00\x7f", "\\x07\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066c\u2069\u200f\u061c", "a\\u202eb\\u2066c\\u2069\\u200f\\u061c"),
        ("a\u2028b", "a\\u2028b"),
        ("a\rb", "a\\rb"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_could_fool_a_reader_is_shown_instead(text: str, shown: str) -> None:
    assert safe_line(text) == shown
    assert safe_block(text) == shown


def test_newlines_and_tabs_stay_in_a_block_only() -> None:
    assert safe_block("a\n\tb\r\nc") == "a\n\tb\nc"
    assert safe_line("a\n\tb\r\nc") == "a\\n\\tb\\r\\nc"


@given(st.text())
def test_a_line_is_one_printable_line(text: str) -> None:
    assert len(safe_line(text).splitlines()) <= 1
    safe_line(text).encode()
    assert safe_line(safe_line(text)) == safe_line(text)


@pytest.mark.parametrize("start", ["##[error]", "##vso[task.setvariable]", "##teamcity[message]"])
def test_nothing_in_a_line_is_a_command_to_a_ci(start: str) -> None:
    assert safe_line(f"a {start} b") == f"a #\\x23{start[2:]} b"
    assert safe_block(f"a\n{start}") == f"a\n#\\x23{start[2:]}"
    document = json.dumps({"text": f"a {start}"})
    assert start not in safe_json(document)
    assert json.loads(safe_json(document)) == json.loads(document)


def test_headings_stay() -> None:
    assert safe_line("## title [x]") == "## title [x]"
