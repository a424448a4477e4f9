"""A private file that appears under its name whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from gotrace.errors import RecordingError
from gotrace.events.errno import errno_text
from gotrace.events.text import printable


def shown(path: Path | str) -> str:
    """A path of this machine as it may stand in a message."""
    return printable(os.fsencode(path))


class Replacement:
    """Context manager: `file` is a new file of mode 0600 beside `path`, renamed to `path` at the end.

    Where the body or the disk fails it is removed, and what was at `path` before stays. What is there may be replaced
    only if it is a regular file of the caller's own: never a link, a device or somebody else's file.

    Raises:
        RecordingError: the file cannot be written; the message names it and the cause.
    """

    file: BinaryIO

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.parent / f".gotrace-{secrets.token_hex(8)}.tmp"

    def __enter__(self) -> Self:
        self._check_target()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._temporary, flags, 0o600)
        except OSError as error:
            raise self.failure(error) from error
        os.fchmod(descriptor, 0o600)  # whatever the umask took away
        self.file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.file.close()  # a full disk may show as late as here
            if error is None:
                self._check_target()
                self._temporary.replace(self.path)
        except OSError as failed:
            if error is None:
                raise self.failure(failed) from failed
        finally:
            self._temporary.unlink(missing_ok=True)

    def failure(self, error: OSError) -> RecordingError:
        """The error to raise for what the system said."""
        folder = shown(self.path.parent)
        remedies = {
            errno.ENOSPC: f"Free some space where {folder} is, or write to another disk.",
            errno.EDQUOT: f"Free some space where {folder} is, or write to another disk.",
            errno.EACCES: f"Choose a folder that you may write to; this needs write permission in {folder}.",
            errno.EPERM: f"Choose a folder that you may write to; this needs write permission in {folder}.",
            errno.EROFS: "Choose a folder on a disk that is not mounted read-only.",
            errno.ENOENT: "No file can be made in this folder; choose another."
            if self.path.parent.is_dir()
            else f"Make the folder {folder} first, or choose another.",
            errno.ENOTDIR: f"{folder} is not a folder; choose another.",
        }
        number = error.errno or errno.EIO
        remedy = remedies.get(number, "Write the recording to another place.")
        return RecordingError(f"Cannot write {shown(self.path)}: {errno_text(number)}.", remedy)

    def _check_target(self) -> None:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self.failure(error) from error
        if stat.S_ISLNK(found.st_mode):
            reason = "it is a symbolic link"
        elif stat.S_ISDIR(found.st_mode):
            reason = "it is a folder"
        elif not stat.S_ISREG(found.st_mode):
            reason = "it is not a regular file"
        elif found.st_uid != os.geteuid():
            reason = "it belongs to another user"
        else:
            return
        raise RecordingError(f"Cannot write {shown(self.path)}: {reason}.", "Choose another name for the recording.")
