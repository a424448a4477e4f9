"""GT602: the user that a program runs as has no name where it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.rules import evidence, system_files
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.system_files import Seeker
from gotrace.trace.model import Trace

_PASSWD: Final = "/etc/passwd"
_SAID: Final = re.compile(
    r"\buser: Current requires cgo or (?P<variables>\$\w+(?:, \$\w+)*) set in environment"
    r"|\buser: (?:unknown userid|lookup userid) (?P<uid>\d+)"
)
_VALUES: Final = {"$USER": "USER=app", "$HOME": "HOME=/"}


class UserNotInPasswd(Rule):
    """A program failed to learn who runs it: /etc/passwd is missing where it runs, or does not know the user.

    What it detects
    ---------------
    A program failed and told of an error of Go's os/user about its own user: "user: Current requires cgo or $USER set
    in environment", or "user: unknown userid 1000". Whether /etc/passwd is missing is seen by the call that did not
    find it.

    Why it happens
    --------------
    user.Current asks /etc/passwd for the name and the home folder of the user id. An image that was built FROM scratch
    has no such file. And a container that is run with an id of its own (docker run --user 1234, OpenShift) runs as
    somebody whom the file does not list. Without cgo Go makes do with $USER and $HOME; with cgo it asks the C library
    alone.

    How to fix it
    -------------
    Set USER and HOME for the program, or put an /etc/passwd into the image that has a line for the user. In one's own
    program: os.UserHomeDir and os.Getuid need no such file.

    References
    ----------
    - https://pkg.go.dev/os/user#Current
    - Go's src/os/user/lookup_stubs.go and cgo_lookup_unix.go
    - https://github.com/golang/go/issues/38599
    """

    code = "GT602"
    name = "user-not-in-passwd"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.STDERR_TEXT})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each run that told of it."""
        for seeker in system_files.seekers(trace):
            words = evidence.said(seeker.span, _SAID)
            if words is None:
                continue
            missing = seeker.missed(_PASSWD)
            variables = (words.found["variables"] or "").split(", ")
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity,
                message=_message(seeker, words.found["uid"], variables),
                span=seeker.span,
                evidence=evidence.of(missing, evidence.quoted(words), seeker.span.exit),
                fix=_fixes(trace, seeker, variables),
                confidence=1.0 if missing is not None else 0.9,
                explains=frozenset({seeker.key}),
            )


def _message(seeker: Seeker, uid: str | None, variables: list[str]) -> str:
    who = f"the user {uid}" if uid else "its user"
    there = f"among the files of {seeker.where}"
    why = f"{_PASSWD} is not {there}" if seeker.missed(_PASSWD) is not None else f"{_PASSWD} has no line for that user"
    unset = "" if uid else f", and {' and '.join(variables)} {'is' if len(variables) == 1 else 'are'} not set"
    return f"{seeker.name} does not know who {who} is: {why}{unset}."


def _fixes(trace: Trace, seeker: Seeker, variables: list[str]) -> list[Fix]:
    ways = []
    if settings := [_VALUES[name] for name in variables if name in _VALUES]:
        ways.append(system_files.again(trace, settings, "Say who it is in the environment."))
    line = "app:x:UID:GID::/:/sbin/nologin"
    return [
        *ways,
        Fix(f"{'Or have' if ways else 'Have'} a line {line} in {seeker.root}{_PASSWD}."),
    ]
