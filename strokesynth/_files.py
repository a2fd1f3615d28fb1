"""Writing files so that a reader never meets half of one."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_writable(path: str | os.PathLike[str]) -> Path:
    """The real path behind `path`, after checking that a file can be written there.

    Long work calls this before it starts, so that a mistyped output fails in the first second.

    Raises:
        FileNotFoundError: the folder is missing, or what should be the folder is a file.
        ValueError: `path` is a folder or a device, or permissions (or a read-only disk) forbid writing.
    """
    target = Path(os.path.realpath(path))  # a link stays a link: the file behind it is replaced
    folder = target.parent
    problem = None
    if not os.path.isdir(folder):
        state = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        raise FileNotFoundError(f"cannot write {str(path)!r}: the folder {str(folder)!r} {state}")
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        if not os.access(folder, os.W_OK | os.X_OK):
            problem = f"the folder {str(folder)!r} is not writable"
    except OSError as error:
        problem = error.strerror or str(error)
    else:
        if stat.S_ISDIR(mode):
            problem = "it is a folder; expected the name of a file"
        elif not stat.S_ISREG(mode):
            problem = "it is not a regular file"
        elif not (os.access(target, os.W_OK) and os.access(folder, os.W_OK | os.X_OK)):
            problem = "the file or its folder is read-only"
    if problem:
        raise ValueError(f"cannot write {str(path)!r}: {problem}")
    return target


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replace `path` as a whole, or, when anything fails, leave it as it was.

    Gives the path of an empty temporary file beside `path`, with the same suffix (libraries choose
    formats by it). When the block ends well the temporary file takes the place of `path`; when it
    raises, or the process dies, `path` keeps its old content.

        with atomic_write("corpus.npz") as temporary:
            np.savez(temporary, offsets=offsets)

    Raises:
        FileNotFoundError, ValueError: as `check_writable`, before the block is entered.
    """
    target = check_writable(path)
    # The name is shortened so that even a target at the file system's limit of 255 bytes has room.
    name = f".{target.stem[:40]}.{secrets.token_hex(4)}{target.suffix}"
    temporary = target.with_name(name)
    try:
        # "x" creates with the permissions of any new file; mkstemp would hide the result from other users.
        with open(temporary, "xb"):
            pass
    except OSError as error:
        raise ValueError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    try:
        yield temporary
        if target.exists():
            shutil.copymode(target, temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the content reaches the disk before the name does
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
