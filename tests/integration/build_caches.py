"""Go build caches that begin with what is compiled already: the standard library takes as long as many a test."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gotrace.scenario.runner import build_cache


def fill(folder: Path, uid: int = -1, gid: int = -1) -> None:
    """Make a build cache, whose folders are that user's, with links to what the scenarios' one has.

    Not that one itself: folders of tests have the same names in each session, and what they built would be cached.
    Where it lies on another file system there is nothing in it, and all is compiled.
    """
    folder.mkdir(exist_ok=True)
    subprocess.run(["cp", "-al", f"{build_cache()}/.", folder], stderr=subprocess.DEVNULL, check=False)
    for one in (folder, *(each for each in folder.iterdir() if each.is_dir())):
        os.chown(one, uid, gid)
