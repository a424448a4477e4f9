"""The go commands of a capture that build, and how to ask them something under the very same circumstances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gotrace.capture.facts.found import real, recorded
from gotrace.capture.facts.processes import Image, Processes
from gotrace.capture.masks import allowed_env, allowed_variable
from gotrace.events import gocommand
from gotrace.events.tools import Role

_NO_DOWNLOADS = {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
"""A question about a build must never fetch a module or another toolchain: that would be slow, and would change the
machine. The toolchain that a go command switched to is the program it became, so that one is asked directly."""


@dataclass(frozen=True, slots=True)
class GoBuild:
    """One go command that built something."""

    image: Image
    command: gocommand.GoCommand
    path: str
    """The go binary, absolute."""
    folder: str
    """Where it worked, after `-C`."""
    env: Mapping[str, str]
    """Its whole environment (never recorded)."""

    @property
    def pid(self) -> int:
        """Of the go process."""
        return self.image.process.pid

    @property
    def failed(self) -> bool:
        """It did not end with status 0."""
        return self.image.process.failed

    def query_env(self, **changes: str) -> dict[str, str]:
        """Environment for a question about this build; `changes` win."""
        env = {**self.env, **_NO_DOWNLOADS, **changes}
        # Go names folders as $PWD does, if that is the same folder: a user who works behind a symlink expects it.
        if not _same_folder(env.get("PWD"), self.folder):
            env["PWD"] = self.folder
        return env


def go_builds(processes: Processes, env: Mapping[str, str], cwd: str) -> Iterator[GoBuild]:
    """The building go commands, failed ones first. `env` and `cwd` are those of the traced command."""
    images = list(processes.images(Role.GO))
    for image in sorted(images, key=lambda image: not image.process.failed):
        command = gocommand.parse(image.argv)
        became_another_toolchain = image is not [i for i in image.process.images if i.role is Role.GO][-1]
        if command.subcommand not in gocommand.BUILDING or became_another_toolchain:
            continue
        own_folder = real(image.exec.cwd) if image.exec.cwd else cwd
        folder = str(Path(own_folder, real(command.folder or "")))
        path = str(Path(own_folder, real(image.exec.path)))
        yield GoBuild(image, command, path, folder, environment_of(image, env))


def environment_of(image: Image, env: Mapping[str, str]) -> dict[str, str]:
    """Whole environment of a program: that of the traced command, changed as the program's recorded part shows.

    What a build script sets beyond the recorded variables stays unknown.
    """
    seen = image.exec.env
    if seen is None:
        return dict(env)
    kept = {name: value for name, value in env.items() if name in seen or not allowed_variable(name)}
    # A recorded value may be masked: where the command's own value would be recorded so too, that is the one.
    as_recorded = allowed_env({name: recorded(value) for name, value in kept.items()})
    return kept | {name: real(value) for name, value in seen.items() if as_recorded.get(name) != value}


def _same_folder(one: str | None, other: str) -> bool:
    try:
        return one is not None and Path(one).samefile(other)
    except OSError:
        return False
