"""The command line is thin: each function of gotrace/cli fits on a screen, the work is done elsewhere."""

from __future__ import annotations

import ast

from tests.contract.sources_of_the_project import modules

LONGEST_BODY = 40


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature and its docstring."""
    body = function.body[ast.get_docstring(function) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_command_has_more_than_forty_lines() -> None:
    lengths = {
        f"{module}.{node.name}": body_lines(node)
        for module, tree in modules().items()
        if module.startswith("gotrace.cli")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST_BODY} == {}
