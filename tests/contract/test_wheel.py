"""The wheel holds what the checkout holds: code, probes, data tables, the JSON Schema, the type marker, the licence."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.contract.sources_of_the_project import ROOT, project_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The project's wheel, built with the build tools of this environment."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return zipfile.ZipFile(next(folder.glob("gotrace-*.whl")))


def test_every_file_of_the_package_is_in_it(wheel: zipfile.ZipFile) -> None:
    package = {str(path) for path in project_files() if path.parts[0] == "gotrace"}
    assert {"gotrace/py.typed", "gotrace/cli/app.py"} <= package
    assert any(name.startswith("gotrace/reports/schema/") for name in package)
    assert package - set(wheel.namelist()) == set()


def test_every_probe_is_in_it(wheel: zipfile.ZipFile) -> None:
    probes = {str("gotrace" / path) for path in project_files() if path.parts[0] == "probes"}
    assert any(Path(name).suffix == ".c" for name in probes)
    assert any("/include/" in name for name in probes)
    assert probes - set(wheel.namelist()) == set()


def test_nothing_else_is_in_it(wheel: zipfile.ZipFile) -> None:
    assert {Path(name).parts[0] for name in wheel.namelist()} == {"gotrace", "gotrace-0.1.0.dist-info"}


def test_its_metadata_name_the_licence_and_no_bcc(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read("gotrace-0.1.0.dist-info/METADATA").decode()
    assert "License-Expression: MIT" in metadata
    assert "gotrace-0.1.0.dist-info/licenses/LICENSE" in wheel.namelist()
    assert "Requires-Dist: bcc" not in metadata, "the package of that name is another project"
