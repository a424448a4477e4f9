"""Small questions to an argument vector, as the toolchain's programs read theirs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from gotrace.events.model import Exec

_WORK_FOLDER = re.compile(r"/go-build\d+/b\d+(?=[/=;\0]|$)")


def names_of(event: Exec) -> set[str]:
    """What an image is called, without folders: by its file and, which may differ, by its argv[0].

    A script's argv[0] is its interpreter where the kernel put that there (execve(2), "Interpreter scripts").
    """
    return {posixpath.basename(word) for word in (event.path, *(event.argv or ())[:1])}


def flag_value(argv: Sequence[str], name: str) -> str | None:
    """Value of the first `-name VALUE` or `-name=VALUE` (Go's flag package), or None."""
    joined = name + "="
    for index, word in enumerate(argv):
        if word == name:
            return argv[index + 1] if index + 1 < len(argv) else None
        if word.startswith(joined):
            return word[len(joined) :]
    return None


def work_folder(argv: Sequence[str]) -> str | None:
    """The first work folder of a go command that is named, as in `-o $WORK/b003/_pkg_.a`; `$WORK/b003` is returned.

    The go command makes one folder `bNNN` for each package below a folder `go-buildNNN` in the temporary directory
    (cmd/go/internal/work/action.go, NewObjdir); all tools it runs for the package name that folder.
    """
    words = "\0".join(argv)
    found = _WORK_FOLDER.search(words)
    if found is None:
        return None
    word_start = max(words.rfind("\0", 0, found.start() + 1), words.rfind("=", 0, found.start() + 1)) + 1
    return words[words.index("/", word_start) : found.end()]


def absolute(path: str, cwd: str | None) -> str:
    """`path` as seen from `cwd`; unchanged where the folder is not known."""
    return path if path.startswith("/") or cwd is None else posixpath.normpath(posixpath.join(cwd, path))
