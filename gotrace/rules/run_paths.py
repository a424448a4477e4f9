"""Where a loader looks for the libraries that a file needs, as that file and the program say it: RPATH and RUNPATH.

Sources: ld.so(8) ("Rpath token expansion" and the order of the search); musl's ldso/dynlink.c, where both are one.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from gotrace.events.model import Fact
from gotrace.rules.loaded_files import words

_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?![A-Za-z0-9_])")


class Entry(NamedTuple):
    """One folder of a run path."""

    text: str
    """As it stands in the file."""
    kind: str
    """RPATH or RUNPATH."""
    folder: str
    """Where that leads: for a relative one from the folder where the program was started on."""

    @property
    def relative(self) -> bool:
        """It begins where the program was started."""
        return not self.text.startswith(("/", "$"))

    @property
    def eaten(self) -> bool:
        """It was $ORIGIN until a shell or make took $O for a variable."""
        return self.text.startswith("RIGIN")


def entries(file: Fact, cwd: str) -> list[Entry]:
    """Those of one file. Its RPATH does not count where it has a RUNPATH."""
    kind = "RUNPATH" if words(file, "runpath") else "RPATH"
    origin = posixpath.dirname(file.subject)
    found = []
    for text in words(file, kind.lower()):
        folder = posixpath.join(cwd, _ORIGIN.sub(lambda _: origin, text))
        found.append(Entry(text, kind, posixpath.normpath(folder)))
    return found


def from_origin(file: str, folder: str) -> str:
    """A folder as a run path of `file` should name it: `$ORIGIN/lib`, or from the root on where it is not near."""
    relative = posixpath.relpath(folder, posixpath.dirname(file))
    if relative == ".":
        return "$ORIGIN"
    return folder if relative.startswith("../..") or folder.startswith(("/usr/", "/lib")) else f"$ORIGIN/{relative}"
