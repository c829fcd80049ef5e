"""Files that are whole or not there: every write of this package goes through `replacing`."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import WriteError
from . import signals

DOTS = 100  # in a line of TOML: the time that Python takes for a key grows with the square of its parts
TEMPORARY = re.compile(r"\..+\.\d+\.partial(\.\w+)?")  # users have files like .notes.1.txt


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix; once the block has written a file
    there, or a folder where none was, it takes the place of `path`.

    A crash at any moment leaves the old file or the new one, never a part: the temporary file is
    flushed to disk, then renamed, then the folder is flushed. Missing folders are made.

    Raises `WriteError` when the file cannot be written; the old file is untouched then and no
    temporary file stays.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    with signals.unfinished():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            for part in (*temporary.rglob("*"), temporary):  # a folder's files first
                _flush(part)
            temporary.replace(path)
            _flush(path.parent)
        except OSError as error:
            raise WriteError(f"cannot write {path}: {error.strerror or error}\n{advice(error)}") from error
        finally:
            _discard(temporary)


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left in a folder to which nobody else writes."""
    for path in folder.rglob(".*"):
        if TEMPORARY.fullmatch(path.name):
            _discard(path)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all. Raises `WriteError`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def advice(error: OSError) -> str:
    """What to do about a file that could not be written."""
    return (
        "Free some space there."
        if error.errno in (errno.ENOSPC, errno.EDQUOT)
        else "Choose another folder, or change this one."
    )


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder; NTFS journals the rename.
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    with suppress(OSError):  # the folder became read-only or is not a folder: nothing of ours is there
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
