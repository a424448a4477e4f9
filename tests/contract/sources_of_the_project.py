"""The project's own files as the contract tests see them: what git tracks or would track, and the parsed modules."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gotrace"


@cache
def project_files() -> tuple[Path, ...]:
    """All files of the project: tracked, or new and not ignored. Relative to the root."""
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    return tuple(sorted(Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file()))


class Import(NamedTuple):
    """One imported module, with the place that imports it."""

    importer: str
    imported: str
    line: int
    at_module_level: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name to syntax tree of each module of gotrace."""
    return {module_name(path): ast.parse(path.read_bytes(), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def module_name(path: Path) -> str:
    """Dotted name of a file of the package: a/__init__.py is a."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> tuple[Import, ...]:
    """Every import of every module, wherever it stands, `from a import b` resolved to a.b where that is a module."""
    return tuple(
        Import(importer, imported, node.lineno, node in tree.body)
        for importer, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt | ast.expr)
        for imported in _imported_modules(importer, node)
    )


def _imported_modules(importer: str, node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(importer, node)
        return [f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules() else base for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"importlib.import_module", "import_module"}:
        return [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return []


def _absolute(importer: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = (ROOT / Path(*importer.split(".")) / "__init__.py").is_file()
    parts = importer.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])
