"""plugin-mismatch: a plugin was opened, none of its symbols was looked up, and the program failed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rules.loaded import GO, Loaded
from tests.unit.rules.scenes import lines, proof

PLUGIN = "/srv/answer.so"
HANDLE = 4711
DIFFERENT = 'plugin.Open("answer"): plugin was built with a different version of package internal/goarch'


def settings(**more: str) -> dict[str, Any]:
    return {"CGO_ENABLED": "1", "-buildmode": "plugin"} | {
        name.replace("_of", "-"): value for name, value in more.items()
    }


def program(go: dict[str, Any] | None, *, says: str = DIFFERENT, symbol: str = "_cgo_1_Cfunc_pluginOpen") -> Loaded:
    run = Loaded()
    run.starts()
    run.libc()
    with run.calls():
        run.maps(PLUGIN, **({"go": go} if go is not None else {}))
        run.opens(PLUGIN, handle=HANDLE, symbol=symbol)
    run.says(says)
    return run


@pytest.mark.parametrize(
    ("version", "more", "says", "command"),
    [
        (
            "go1.25.5",
            {},
            "by go1.25.5, the program by go1.26.8",
            "env CGO_ENABLED=1 GOTOOLCHAIN=go1.26.8 go build -buildmode=plugin -o answer.so ex/answer",
        ),
        (
            "go1.26.8",
            {"_oftrimpath": "true"},
            "with -trimpath, the program without",
            "env CGO_ENABLED=1 go build -buildmode=plugin -o answer.so ex/answer",
        ),
        (
            "go1.26.8",
            {"GOAMD64": "v3"},
            "with GOAMD64=v3, the program with none",
            "env CGO_ENABLED=1 go build -buildmode=plugin -o answer.so ex/answer",
        ),
    ],
)
def test_what_differs(version: str, more: dict[str, str], says: str, command: str) -> None:
    run = program({"version": version, "path": "ex/answer", "settings": settings(**more)})

    finding = run.finding("plugin-mismatch", 1)

    assert finding.message == f"app opens {PLUGIN} as a plugin, which was built in another way: {says}."
    assert lines(finding) == [command]
    assert f'dlopen("{PLUGIN}", RTLD_NOW)' in proof(finding)


def test_the_words_name_the_package_where_the_flags_are_the_same() -> None:
    run = program({"version": "go1.26.8", "path": "ex/answer", "settings": settings()})

    assert run.finding("plugin-mismatch", 1).message == (
        f"app opens {PLUGIN} as a plugin, and the package internal/goarch is not the same in both: another version, or "
        "built with other flags."
    )


@pytest.mark.parametrize(
    ("go", "says"),
    [
        (None, "it is a shared library of another language"),
        ({"version": "go1.26.8", "settings": {"-buildmode": "c-shared"}}, "Go built it with -buildmode=c-shared"),
    ],
)
def test_it_is_no_plugin(go: dict[str, Any] | None, says: str) -> None:
    run = program(go, says="fatal error: runtime: no plugin module data")

    assert run.finding("plugin-mismatch", 2).message == f"app opens {PLUGIN} as a plugin, and that is none: {says}."


def test_a_plugin_that_was_used_is_right() -> None:
    run = program({"version": "go1.26.8", "path": "ex/answer", "settings": settings()}, says="panic: later")
    run.asks("plugin/unnamed.Answer", HANDLE)

    assert run.findings(2) == []


def test_a_plugin_whose_init_failed_is_right() -> None:
    run = program(
        {"version": "go1.26.8", "path": "ex/answer", "settings": settings(_oftags="x")}, says="panic: in init"
    )

    assert run.findings(2) == []


def test_a_module_that_both_have() -> None:
    go = {"version": "go1.26.8", "path": "ex/answer", "settings": settings(), "modules": {"ex.org/a": "v1.2.0"}}
    run = Loaded()
    run.starts(go=GO | {"modules": {"ex.org/a": "v1.3.0", "ex.org/b": "v1.0.0"}})
    run.libc()
    with run.calls():
        run.maps(PLUGIN, go=go)
        run.opens(PLUGIN, handle=HANDLE, symbol="_cgo_1_Cfunc_pluginOpen")

    assert run.finding("plugin-mismatch", 1).message.endswith(
        "was built in another way: with ex.org/a v1.2.0, the program with v1.3.0."
    )


def test_a_library_that_others_open_is_no_plugin() -> None:
    assert program(None, says="panic: later", symbol="_cgo_1_Cfunc_dlopen").findings(1) == []


def test_a_program_without_cgo() -> None:
    run = Loaded()
    run.maps("/srv/app", go=GO | {"settings": {"CGO_ENABLED": "0"}}, libc={"flavour": "none", "relation": "none"})
    run.says("open: plugin: not implemented")

    finding = run.finding("plugin-mismatch", 1)

    assert finding.message == "app was built without cgo, and cannot open plugins."
    assert lines(finding) == ["env CGO_ENABLED=1 go build -o app ex/app"]
    assert finding.confidence == 0.8
