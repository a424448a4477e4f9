"""What a run of the benchmarks leaves in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import run
from bench.page import BEGIN, END, Part, with_parts

ORDER = ["one", "two"]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with two sections, of which a run would measure "new" texts."""
    path = tmp_path / "performance.md"
    old = {name: Part("Measured on Monday.", f"old {name}") for name in ORDER}
    path.write_text(with_parts(f"{BEGIN}\n{END}\n", old, ORDER))
    monkeypatch.setattr(run, "PAGE", path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "prepare", lambda scratch: None)
    monkeypatch.setattr(run, "SECTIONS", {name: lambda *_, name=name: f"new {name}" for name in ORDER})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return path


def sections(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith(("old", "new"))]


def test_a_whole_run_writes_every_section(page: Path) -> None:
    assert run.main([]) == 0
    assert sections(page) == ["new one", "new two"]


def test_one_section_alone_keeps_the_other(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--only", "two"]) == 0
    assert sections(page) == ["old one", "new two"]
    assert "new two" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--quick", "--no-write"])
def test_a_look_writes_nothing(page: Path, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([option]) == 0
    assert sections(page) == ["old one", "old two"]
    assert "new one" in capsys.readouterr().out
