"""Why git refused to tell a go command what it should stamp a program with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import environment_of
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes
from gotrace.capture.masks import mask_text
from gotrace.events.tools import Role

_QUESTION = ("git", "status", "--porcelain")
"""The first that cmd/go asks (cmd/go/internal/vcs, gitStatus)."""


def vcs_facts(processes: Processes, asker: Asker, env: Mapping[str, str]) -> Iterator[Found]:
    """A `vcs` fact for the first `git status` that failed under a failed go command: what git says, asked once more.

    git is no tool whose stderr is followed, and go does not repeat it.
    """
    for image in processes.images(Role.OTHER):
        above = image.process.parent
        asked_by_go = above is not None and above.failed and any(one.role is Role.GO for one in above.images)
        if image.argv[1:] != _QUESTION[1:] or not image.process.failed or not asked_by_go:
            continue
        # git takes no lock that it could do without, and speaks plainly.
        settings = {**environment_of(image, env), "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        folder = real(image.exec.cwd or "/")
        try:
            asker.ask([real(image.exec.path), *_QUESTION[1:]], env=settings, cwd=folder)
        except NoAnswerError as refusal:
            text = mask_text(recorded(str(refusal)))
            yield Found("vcs", recorded(folder), {"command": list(_QUESTION), "says": text}, image.process.pid)
        return
