"""Which folder holds which Go package, as far as a trace tells of it, and what follows for its neighbours."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

_NO_PATH = ""
_SOURCES = "src"
"""Folder of GOROOT and of a GOPATH below which import paths begin (`go help gopath`)."""


class Folders:
    """Source folders and the import paths of what lies in them."""

    def __init__(self, modules: Collection[str] = ()) -> None:
        """`modules` are the known root folders of modules; what lies above one is not told by what lies in it."""
        self._modules = frozenset(modules)
        self._paths: dict[str, str] = {}
        self._known: set[str] = set()
        self._roots: dict[str, str] = {}
        """Folders above known packages, with the import path that a package in them has or would have."""

    def learn(self, folder: str, path: str) -> None:
        """`folder` holds the package `path`; what was learned first stays."""
        if folder in self._paths:
            return
        self._paths[folder] = path
        self._known.add(path)
        while True:
            if path == _NO_PATH and posixpath.basename(folder) != _SOURCES:
                return
            self._roots.setdefault(folder, path)
            same_name = path != _NO_PATH and posixpath.basename(path) == posixpath.basename(folder)
            if not same_name or folder in self._modules:
                return
            folder, path = posixpath.dirname(folder), posixpath.dirname(path)

    def known(self, folder: str | None) -> str | None:
        """The package of this very folder, if the trace says so."""
        return self._paths.get(folder or "")

    def knows(self, path: str) -> bool:
        """Some folder is known to hold this package."""
        return path in self._known

    def path_of(self, folder: str | None) -> str | None:
        """The package of a folder, known or as a package of the same module beside or above it shows.

        In a module an import path is the module's path and the folder below its root (go.dev/ref/mod, "Packages").
        """
        if folder is None:
            return None
        rest: list[str] = []
        above = folder
        while above not in self._paths and above not in self._roots:
            if posixpath.dirname(above) == above:
                return None
            rest.insert(0, posixpath.basename(above))
            above = posixpath.dirname(above)
        root = self._paths.get(above, self._roots.get(above, _NO_PATH))
        return posixpath.join(root, *rest) or None
