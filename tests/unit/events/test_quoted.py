"""CC values, split into words as the go command does it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.quoted import split_quoted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gcc", ["gcc"]),
        ("ccache gcc  -m64", ["ccache", "gcc", "-m64"]),
        ("'/path with space/gcc' -O2", ["/path with space/gcc", "-O2"]),
        ('"a b"', ["a b"]),
        ("a'b c'", ["a'b", "c'"]),
        ("", []),
    ],
)
def test_a_compiler_variable_is_split_as_go_splits_it(text: str, words: list[str]) -> None:
    assert split_quoted(text) == words


@given(st.text(alphabet="ab'\" \t", max_size=20))
def test_splitting_loses_nothing_but_blanks_and_quotes(text: str) -> None:
    letters = [letter for letter in "".join(split_quoted(text)) if letter in "ab"]
    assert letters == [letter for letter in text if letter in "ab"]
