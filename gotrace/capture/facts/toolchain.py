"""Which compilers the command's PATH has, so that a fix can say whether what it names is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.host.toolchain import compilers_in

_VARIABLES = ("CC", "CXX", "FC")
_BESIDE_PATH = ("/usr/local/bin", "/usr/bin")
_OF_ADD_ONS = "opt/*/bin"


def toolchain_fact(env: Mapping[str, str], settings: Iterable[Mapping[str, str]] = ()) -> Found:
    """The `toolchain` fact: compilers in the PATH of `env`, and those that are elsewhere.

    `settings` are environments of builds: where CC, CXX or FC holds a path with blanks that is a program as a whole,
    that is one of the compilers too.
    """
    search = env.get("PATH", os.defpath)
    in_path = list(dict.fromkeys([*map(str, compilers_in(search, every_name=True)), *_with_blanks(settings)]))
    beside = [*_BESIDE_PATH, *map(str, sorted(Path("/").glob(_OF_ADD_ONS)))]
    folders = os.pathsep.join(folder for folder in beside if folder not in search.split(os.pathsep))
    elsewhere = [str(path) for path in compilers_in(folders, every_name=True)] if folders else []
    data = {"compilers": [recorded(path) for path in in_path], "elsewhere": [recorded(path) for path in elsewhere]}
    return Found("toolchain", "", data)


def _with_blanks(settings: Iterable[Mapping[str, str]]) -> Iterator[str]:
    for env in settings:
        for value in (real(env[name]).strip() for name in _VARIABLES if name in env):
            words = value.split(" ")
            for count in range(len(words), 1, -1):
                path = " ".join(words[:count])
                if path.startswith("/") and Path(path).is_file() and os.access(path, os.X_OK):
                    yield path
                    break
