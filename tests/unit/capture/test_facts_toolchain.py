"""Which compilers there are, as far as fixes need to know."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.capture.facts import gather, toolchain
from gotrace.capture.facts.toolchain import toolchain_fact
from gotrace.events.recording import Header
from tests.stories import Story


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_compilers_in_path_and_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_BESIDE_PATH", (str(tmp_path / "usual"), str(tmp_path / "bin")))
    monkeypatch.setattr(toolchain, "_OF_ADD_ONS", "no/such/folder")
    here = [program(tmp_path / "bin" / name) for name in ("gcc", "aarch64-linux-gnu-g++")]
    outside = program(tmp_path / "usual" / "clang")

    fact = toolchain_fact({"PATH": str(tmp_path / "bin")})

    assert (fact.name, fact.data) == ("toolchain", {"compilers": here, "elsewhere": [outside]})


@pytest.mark.parametrize("arguments", ["", " -O2 -pipe"])
def test_a_path_with_blanks_is_a_compiler_if_it_is_one_as_a_whole(tmp_path: Path, arguments: str) -> None:
    gcc = program(tmp_path / "my own dir" / "gcc")
    settings = [{"CC": gcc + arguments, "CXX": f"{tmp_path}/no such/g++"}]

    assert toolchain_fact({"PATH": str(tmp_path)}, settings).data["compilers"] == [gcc]


@pytest.mark.parametrize("failed", [True, False])
def test_it_is_asked_for_after_a_failure(failed: bool) -> None:
    story = Story()
    story.runs(["make", "all"], status=int(failed), cwd="/")
    facts = gather(
        Header(argv=("make", "all")), story.events, failed=failed, env={"PATH": "/bin"}, cwd="/", now_ns=lambda: 1
    )

    assert ("toolchain" in [fact.name for fact in facts]) is failed
