"""What the C library says for an errno, by the locale of the tool that failed."""

from __future__ import annotations

import pytest

from gotrace.capture.facts import errno_texts as gatherer
from gotrace.capture.facts.errno_texts import errno_text_facts
from gotrace.capture.facts.processes import Processes
from tests.stories import Story

ENGLISH = {
    "ENOSPC": "No space left on device",
    "EDQUOT": "Disk quota exceeded",
    "ENOMEM": "Cannot allocate memory",
}


def after(env: dict[str, str], program: str = "/usr/bin/as", status: int = 1) -> list[tuple[str, dict[str, str]]]:
    """Locales and texts, after a run of this program with these variables beside those of the command."""
    story = Story()
    story.ends(story.starts(program, env={"PATH": "/usr/bin", **env}), status=status)
    found = errno_text_facts(Processes(story.events), {"PATH": "/usr/bin", "LC_ALL": "C.UTF-8", **env})
    return [(fact.subject, fact.data) for fact in found]


@pytest.fixture
def every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every system has C.UTF-8; take it for one of many languages."""
    monkeypatch.setattr(gatherer, "_ENGLISH", frozenset())


@pytest.mark.usefixtures("every_language")
def test_the_texts_are_those_of_the_c_library() -> None:
    assert after({"LC_ALL": "C.UTF-8"}) == [("C.UTF-8", ENGLISH)]


@pytest.mark.usefixtures("every_language")
def test_a_locale_that_is_not_installed_has_none() -> None:
    assert after({"LC_ALL": "xy_XY.UTF-8"}) == []


@pytest.mark.usefixtures("every_language")
@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"LC_ALL": "C.UTF-8", "LANG": "xy_XY"}, ["C.UTF-8"]),
        ({"LC_ALL": "", "LC_MESSAGES": "C.UTF-8", "LANG": "xy_XY"}, ["C.UTF-8"]),
        ({"LC_ALL": "", "LANG": "C.UTF-8"}, ["C.UTF-8"]),
    ],
)
def test_the_first_variable_that_is_set_decides(env: dict[str, str], name: list[str]) -> None:
    assert [locale for locale, _ in after(env)] == name


@pytest.mark.usefixtures("every_language")
@pytest.mark.parametrize(("program", "status"), [("/usr/bin/as", 0), ("/usr/local/go/bin/go", 1)])
def test_only_c_tools_that_failed_are_of_interest(program: str, status: int) -> None:
    assert after({"LC_ALL": "C.UTF-8"}, program, status) == []


@pytest.mark.parametrize("name", ["C", "POSIX", "C.UTF-8", ""])
def test_english_is_known_already(name: str) -> None:
    assert after({"LC_ALL": name}) == []
