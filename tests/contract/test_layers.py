"""The direction of imports, as docs/architecture.md ("Who imports whom") and nothing else allows it."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.contract.sources_of_the_project import ROOT, imports, modules

SOURCES = frozenset({"events", "elf", "host", "errors", "resources"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "resources": frozenset(),
    "events": frozenset({"errors"}),
    "elf": frozenset({"errors"}),
    "host": frozenset({"errors"}),
    "sources": SOURCES,
    "capture": SOURCES | {"sources"},
    "trace": frozenset({"events", "errors"}),
    "rules": frozenset({"events", "trace"}),
    "reports": frozenset({"events", "trace", "rules"}),
    "scenario": SOURCES | {"sources", "capture", "trace", "rules"},
}
OUTERMOST = frozenset({"cli", "api", "__main__", ""})
"""What may import everything, and what nothing of the inner layers may import; "" is gotrace/__init__.py."""

ONLY_IN = {
    "capstone": ("gotrace.elf",),
    "bcc": ("gotrace.sources.ebpf",),
    "ptrace": ("gotrace.sources.ptrace",),
    "pyroute2": ("gotrace.sources.netlink", "gotrace.host", "gotrace.scenario"),
    "rich": ("gotrace.reports", "gotrace.cli"),
    "typer": ("gotrace.cli",),
}
ONLY_WHERE_USED = frozenset({"bcc", "capstone", "ptrace", "pyroute2"})
"""Costly imports: they stand inside the function that needs them."""

LOADED_LATE = frozenset({"gotrace.sources.ptrace.stops", "gotrace.sources.ptrace.requests"})
"""What is itself imported only where it is used; the last test sees to it."""


def layer(module: str) -> str:
    """The part of gotrace a module belongs to: gotrace.trace.model is of the layer trace."""
    return module.partition(".")[2].partition(".")[0]


def inside(module: str, packages: tuple[str, ...]) -> bool:
    """Whether the module is one of the packages, or lies in one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def test_every_module_belongs_to_a_layer_of_the_table() -> None:
    assert {layer(module) for module in modules()} - OUTERMOST <= MAY_IMPORT.keys()


def test_the_table_in_the_documentation_names_every_layer() -> None:
    table = (ROOT / "docs/architecture.md").read_text().partition("## Who imports whom")[2].partition("\n## ")[0]
    rows = {name.strip() for row in table.splitlines() if row.startswith("| ") for name in row.split("|")[1].split(",")}
    assert MAY_IMPORT.keys() <= rows


@pytest.mark.parametrize("importing_layer", MAY_IMPORT)
def test_a_layer_imports_only_what_the_table_allows(importing_layer: str) -> None:
    allowed = MAY_IMPORT[importing_layer] | {importing_layer}
    wrong = [
        str(found)
        for found in imports()
        if layer(found.importer) == importing_layer
        and inside(found.imported, ("gotrace",))
        and layer(found.imported) not in allowed
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for found in imports():
        if found.imported in graph and found.imported != found.importer:
            graph[found.importer].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_in_its_place(library: str) -> None:
    importers = [found for found in imports() if inside(found.imported, (library,))]
    assert [str(found) for found in importers if not inside(found.importer, ONLY_IN[library])] == []
    if library in ONLY_WHERE_USED:
        early = [found for found in importers if found.at_module_level and found.importer not in LOADED_LATE]
        assert [str(found) for found in early] == []


def test_reading_a_recording_needs_none_of_the_costly_libraries() -> None:
    """`gotrace report` works on a machine without BCC, and `gotrace --help` is quick."""
    program = (
        "import sys, gotrace.cli.app; print(*sorted({'bcc', 'capstone', 'ptrace', 'pyroute2'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == []
