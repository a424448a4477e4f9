"""A program that its loader ends before its first instruction: what had come in by then is known all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gotrace.capture.backends import record_by
from gotrace.trace.builder import build
from gotrace.trace.model import Span
from tests.integration.observing import by_whom


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It needs libfoo.so, which needs libbar.so, which is gone."""
    folder = tmp_path_factory.mktemp("loader")
    (folder / "bar.c").write_text("int bar(void) { return 7; }\n")
    (folder / "foo.c").write_text("int bar(void);\nint foo(void) { return bar(); }\n")
    (folder / "app.c").write_text("int foo(void);\nint main(void) { return foo(); }\n")
    for line in (
        "gcc -shared -fPIC -o libbar.so bar.c",
        "gcc -shared -fPIC -o libfoo.so foo.c -L. -lbar",
        "gcc -o app app.c -L. -lfoo -Wl,-rpath,$ORIGIN -Wl,--enable-new-dtags,-rpath-link,.",
    ):
        subprocess.run(line.split(), cwd=folder, check=True)
    (folder / "libbar.so").unlink()
    return folder / "app"


def test_what_came_in_is_told_though_the_program_never_started(program: Path, backend: str) -> None:
    recorded = record_by(backend, [str(program)], running=True, sudo="--sudo" in by_whom(backend))

    (span,) = build(recorded.header, recorded.events).spans

    assert span.exit is not None
    assert span.exit.status == 127
    assert {"app", "libfoo.so"} <= names(span)
    assert "libbar.so" not in names(span)


def names(span: Span) -> set[str]:
    return {library.path.rpartition("/")[2] for library in span.libraries}
