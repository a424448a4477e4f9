"""Scenario files: what a good one becomes, and the one clear error for each bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.resources import scenarios_dir
from gotrace.rules import registry
from gotrace.scenario.environments import kinds
from gotrace.scenario.loader import ScenarioError, catalogue, load
from gotrace.scenario.model import Scenario, Verdict

GOOD = """
title = "A header"
rule = "missing-header"
environment = { kind = "mount", hide = ["/usr/include/x.h"] }

[claim]
source = "2.4"
text = "it works"
verdict = "false"
measured = "it does not"

[files]
"main.go" = "package main"

[reproduce]
command = ["go", "build"]
events = [{ kind = "exec", path = "/gcc$", min = 0, max = 3 }]

[[fix]]
printed = "CC="

[[fix]]
command = ["make"]
environment = "chroot:bullseye"
signal = "SIGKILL"
"""


def written(folder: Path, text: str, name: str = "a-header") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


class TestAGoodFile:
    @pytest.fixture
    def scenario(self, tmp_path: Path) -> Scenario:
        return load(written(tmp_path, GOOD))

    def test_its_name_is_the_id(self, scenario: Scenario) -> None:
        assert (scenario.id, scenario.title, scenario.healthy) == ("a-header", "A header", False)

    def test_the_reproduction_expects_the_rule_and_a_failure(self, scenario: Scenario) -> None:
        assert (scenario.reproduce.expect.findings, scenario.reproduce.expect.exit) == (("missing-header",), 1)

    def test_a_fix_expects_success_and_no_finding(self, scenario: Scenario) -> None:
        first = scenario.fixes[0]
        assert (first.name, first.printed, first.expect.exit, first.expect.findings) == ("fix-1", "CC=", 0, ())

    def test_a_death_by_signal_is_no_exit_status(self, scenario: Scenario) -> None:
        assert (scenario.fixes[1].expect.signal, scenario.fixes[1].expect.exit) == ("SIGKILL", None)

    def test_an_act_has_the_scenarios_environment_or_its_own(self, scenario: Scenario) -> None:
        assert [act.environment.kind for act in scenario.acts] == ["mount", "mount", "chroot"]
        assert dict(scenario.reproduce.environment.settings) == {"hide": ["/usr/include/x.h"]}
        assert dict(scenario.fixes[1].environment.settings) == {"name": "bullseye"}

    def test_a_go_mod_is_made_where_there_is_none(self, scenario: Scenario) -> None:
        assert scenario.files["go.mod"].startswith("module scenario\n")

    def test_the_claim_has_its_verdict(self, scenario: Scenario) -> None:
        assert scenario.claim is not None
        assert scenario.claim.verdict is Verdict.FALSE

    def test_events_have_their_bounds(self, scenario: Scenario) -> None:
        [pattern] = scenario.reproduce.expect.events
        assert (pattern.kind, dict(pattern.fields), pattern.least, pattern.most) == ("exec", {"path": "/gcc$"}, 0, 3)

    def test_a_folder_with_a_scenario_in_it_is_one(self, tmp_path: Path) -> None:
        (tmp_path / "in-a-folder").mkdir()
        (tmp_path / "in-a-folder/scenario.toml").write_text(GOOD)

        assert load(tmp_path / "in-a-folder").id == "in-a-folder"
        assert [scenario.folder for scenario in catalogue(tmp_path)] == [tmp_path / "in-a-folder"]


HEALTHY = 'title = "x"\n[reproduce]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "no TOML"),
        ('title = "x"\n', "reproduce"),
        (HEALTHY + 'command = ["true"]\nexpectd = 1\n', "expectd"),
        (HEALTHY, "one of `command` and `printed`"),
        (HEALTHY + 'printed = "CC="\n', "nothing was printed yet"),
        (
            HEALTHY + 'command = ["true"]\nenvironment = { kind = "overlay", install = "printed" }\n',
            "reproduce: nothing was printed yet; only a fix can have it installed",
        ),
        (HEALTHY + 'command = ["true"]\nsignal = "KILL"\n', "no signal's name"),
        (HEALTHY + 'command = ["true"]\nsignal = "SIGFOO"\n', "no signal's name"),
        (HEALTHY + 'command = ["true"]\noutput = ["("]\n', "no regular expression"),
        (
            HEALTHY + 'command = ["true"]\nevents = [{ kind = "exek", max = 0, min = 0 }]\n',
            "no event is of kind 'exek'",
        ),
        (HEALTHY + 'command = ["true"]\nevents = [{ kind = "exec", path = "[" }]\n', "no regular expression"),
        ('rule = "missing-header"\n' + HEALTHY + 'command = ["true"]\n', "add [[fix]]"),
        (HEALTHY + 'command = ["true"]\n[files]\n"../x" = ""\n', "not below the scenario's folder"),
        (HEALTHY + 'command = ["true"]\n[claim]\nsource = "1"\ntext = ""\nmeasured = ""\nverdict = "maybe"\n', "maybe"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert str(path) in error.value.message
    assert said in error.value.message


def test_an_id_is_made_of_words_and_hyphens(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="an id is made of"):
        load(written(tmp_path, GOOD, "A_Header"))


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "none.toml")


class TestTheOnesOfGotrace:
    def test_there_are_some_and_their_ids_are_unique(self) -> None:
        ids = [scenario.id for scenario in catalogue()]
        assert ids
        assert len(set(ids)) == len(ids)

    @pytest.mark.parametrize("scenario", catalogue(), ids=lambda scenario: scenario.id)
    def test_each_names_rules_and_environments_that_there_are(self, scenario: Scenario) -> None:
        named = {
            *([scenario.rule] if scenario.rule else []),
            *(f for act in scenario.acts for f in act.expect.findings),
        }
        assert named <= {rule.name for rule in registry.rules()}
        assert {act.environment.kind for act in scenario.acts} <= set(kinds())

    def test_every_rule_has_one(self) -> None:
        assert {rule.name for rule in registry.rules()} <= {scenario.rule for scenario in catalogue()}

    def test_they_lie_where_gotrace_finds_them(self) -> None:
        assert (scenarios_dir() / "missing-header.toml").is_file()
