"""os-release(5) and the commands that install packages."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.host import distribution
from gotrace.host.distribution import Distribution, host_facts, package_command, parse_os_release

_UBUNTU = """\
PRETTY_NAME="Ubuntu 24.04.1 LTS"
# a comment
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE='debian'
"""


def test_os_release_is_read_as_a_shell_would() -> None:
    assert parse_os_release(_UBUNTU) == Distribution("ubuntu", "24.04", "noble", ("debian",))


def test_a_distribution_without_an_id_is_linux() -> None:
    assert parse_os_release("VERSION_ID=1") == Distribution("linux", "1")


def test_a_broken_line_spoils_no_other() -> None:
    assert parse_os_release('NAME="unfinished\nID=arch\njunk').id == "arch"


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert parse_os_release(text).id is not None


@pytest.mark.parametrize(
    ("system", "command"),
    [
        (Distribution("ubuntu", like=("debian",)), "apt-get install python3-bpfcc"),
        (Distribution("linuxmint", like=("ubuntu", "debian")), "apt-get install python3-bpfcc"),
        (Distribution("fedora"), "dnf install python3-bcc"),
        (Distribution("slackware"), ""),
    ],
)
def test_the_command_is_that_of_the_distribution_or_none(
    monkeypatch: pytest.MonkeyPatch, system: Distribution, command: str
) -> None:
    monkeypatch.setattr(distribution, "distribution", lambda: system)
    assert package_command({"debian": "python3-bpfcc", "ubuntu": "python3-bpfcc", "fedora": "python3-bcc"}) == command


def test_the_facts_have_the_keys_of_a_recordings_header() -> None:
    facts = host_facts()
    assert {"machine", "kernel", "distribution", "distribution_version", "libc"} <= facts.keys()
    assert facts["kernel"] == os.uname().release
