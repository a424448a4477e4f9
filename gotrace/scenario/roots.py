"""Another root folder for a program: a distribution's, or one that holds only what it is given."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from gotrace.scenario import mounts
from gotrace.scenario.plan import Root

_WRITABLE: Final = ("/tmp", "/var/tmp")
_KERNEL: Final = ("/proc", "/dev")
_PLACE_FOR_EMPTY: Final = "/sys"
"""What an empty root is mounted over, in a mount namespace of its own: a folder that every Linux has."""


def change_root(root: Root, cwd: str) -> None:
    """Be in another root from now on, in the same folder as before where it has that, else in /.

    Raises:
        OSError: the kernel refuses it, or a file to be copied cannot be read.
    """
    bound = [folder for folder in dict.fromkeys(root.bind) if Path(folder).is_dir()]
    bound = [*(_KERNEL if root.proc else ()), *bound]
    place = _distribution(root.folder, bound) if root.folder else _empty(root, bound)
    for folder in bound:
        target = Path(place + folder)
        if not target.exists():
            target.mkdir(parents=True)
        mounts.bind(folder, str(target))
    os.chroot(place)
    os.chdir(cwd if Path(cwd).is_dir() else "/")


def _distribution(folder: str, bound: list[str]) -> str:
    place = os.path.realpath(folder)
    writable_ones = tuple(f"{path}/" for path in _WRITABLE)
    needed = [path for path in (*bound, *_WRITABLE) if not path.startswith(writable_ones)]
    mounts.change(place, folders=[path.lstrip("/") for path in needed if not Path(place + path).exists()])
    for path in _WRITABLE:
        mounts.small(place + path)
        Path(place + path).chmod(0o1777)
    return place


def _empty(root: Root, bound: list[str]) -> str:
    place = _PLACE_FOR_EMPTY
    mounts.small(place)
    Path(place).chmod(0o755)
    for inside, outside in root.files.items():
        target = Path(place + inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(outside).is_dir():
            shutil.copytree(outside, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(outside, target)
    for inside, text in root.texts.items():
        Path(place + inside).parent.mkdir(parents=True, exist_ok=True)
        Path(place + inside).write_text(text)
    for folder in bound:
        Path(place + folder).mkdir(parents=True, exist_ok=True)
    return place
