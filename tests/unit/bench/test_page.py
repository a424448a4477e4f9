"""Sections of the page can be measured apart, and the others stay as they are."""

from __future__ import annotations

import pytest

from bench.page import BEGIN, END, Part, with_parts
from bench.run import PAGE
from bench.sections import SECTIONS

ORDER = ["one", "two", "three"]
OLD, NEW = "Measured on Monday.", "Measured on Friday."


def page(inner: str = "") -> str:
    return f"# Costs\n\nHow.\n\n{BEGIN}\n{inner}\n{END}\n\nAfterwards.\n"


def full() -> str:
    return with_parts(page(), {name: Part(OLD, f"### {name}\n\n| {name} |\n") for name in ORDER}, ORDER)


def test_a_page_is_filled_in_the_given_order() -> None:
    text = full()
    assert [text.index(f"| {name} |") for name in ORDER] == sorted(text.index(f"| {name} |") for name in ORDER)
    assert text.startswith("# Costs\n\nHow.\n")
    assert text.endswith("\nAfterwards.\n")
    assert text.count(OLD) == 1


def test_one_section_is_replaced_and_the_others_keep_their_place() -> None:
    text = with_parts(full(), {"two": Part(NEW, "### two\n\nanew")}, ORDER)
    assert text.index("| one |") < text.index(NEW) < text.index("anew") < text.rindex(OLD) < text.index("| three |")
    assert "| two |" not in text
    assert text.count(OLD) == 2


def test_writing_the_same_again_changes_nothing() -> None:
    assert with_parts(full(), {"three": Part(OLD, "### three\n\n| three |")}, ORDER) == full()
    changed = with_parts(full(), {"two": Part(NEW, "anew")}, ORDER)
    assert with_parts(changed, {}, ORDER) == changed


def test_a_section_that_is_measured_no_more_goes() -> None:
    assert "| two |" not in with_parts(full(), {}, ["one", "three"])


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_parts("# Costs\n", {}, ORDER)


def test_rewriting_our_own_page_with_nothing_new_keeps_every_table() -> None:
    ours = PAGE.read_text()
    assert with_parts(ours, {}, [*SECTIONS]) == ours
