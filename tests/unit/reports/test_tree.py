"""The tree of what ran."""

from __future__ import annotations

from gotrace.events.model import Output
from gotrace.events.tools import Role
from gotrace.reports.page import Page
from gotrace.reports.tree import draw_tree
from tests.unit.reports.made import S, span, trace


def drawn(errors: list[str]) -> list[str]:
    """The entries of assemblers that failed with such words, beside one that is always there."""
    made = trace(failed=True)
    gcc = made.spans[2]
    for pid, text in enumerate(errors, 200):
        assembler = span(("as",), Role.AS, pid, start=2.6, end=2.9, status=1, parent=gcc)
        assembler.output.append(Output(ts_ns=2 * S, pid=pid, text=text))
        made.spans.append(assembler)
    page = Page(100)
    draw_tree(page, made)
    lines = page.render(colour=False).splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("  failed")) + 2 :]


def test_steps_that_failed_alike_are_one_entry() -> None:
    assert drawn(["Error: bad\n"] * 6) == [
        "  failed  as, pid 200, for runtime/cgo: exit status 1 (6 times)",
        "          Error: bad",
    ]


def test_steps_that_failed_differently_are_several() -> None:
    found = drawn(["Error: bad\n", "Error: worse\n"])
    assert [line.strip() for line in found[1::2]] == ["Error: bad", "Error: worse"]
    assert "times" not in "".join(found)


def test_entries_left_out_are_counted_by_the_step() -> None:
    assert drawn([*(f"Error: {number}\n" for number in "abcde"), *["Error: z\n"] * 3])[-1].strip() == "… and 3 more"
