"""Renaming and tagging runs."""

import re
from pathlib import Path

from ..errors import CorruptFileError, UsageError, WriteError
from ..system.atomic import write_text
from ..system.reading import read_json
from .checksums import to_json
from .folder import Run
from .runs_dir import LATEST
from .settings import NAME

TAGS = "tags.json"


def rename(run: Run, name: str) -> Run:
    """Give a run another name in the same folder; the renamed run.

    Raises `UsageError` for a name that cannot be used or is taken, `WriteError` when the folder
    cannot be renamed.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(f"name is {name!r}; give letters, digits, '.', '_' and '-', and not 'latest'")
    target = run.path.with_name(name)
    if target.exists():
        raise UsageError(f"a run named {name!r} exists in {run.path.parent}; choose another name")
    with run.locked():
        latest = run.path.parent / LATEST
        is_latest = latest.is_file() and latest.read_text("utf-8").strip() == run.name
        try:
            run.path.rename(target)
        except OSError as error:
            raise WriteError(f"cannot rename run {run.path}: {error.strerror}") from error
    if is_latest:
        write_text(latest, f"{name}\n")
    return Run(target)


def tags(run: Run) -> list[str]:
    """The tags of a run, in alphabetical order. Raises `CorruptFileError`."""
    path = run.path / TAGS
    if not path.is_file():
        return []
    try:
        words = read_json(path)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("it is no list of words")
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"{path} holds no tags: {error}\nRemove the file.") from error
    return sorted(words)


def tag(run: Run, *words: str, remove: bool = False) -> list[str]:
    """Add words to the tags of a run, or remove them; the tags afterwards."""
    for word in words:
        if not re.fullmatch(r"[\w.:=-]{1,40}", word):
            raise UsageError(f"tag {word!r}: give up to 40 letters, digits and any of . _ : = -")
    kept = set(tags(run)) - set(words) if remove else set(tags(run)) | set(words)
    with run.locked():
        write_text(run.path / TAGS, to_json(sorted(kept)))
    return sorted(kept)


def status(run: Run) -> str:
    """ "finished", "unfinished" where training was stopped or goes on, or "running" where a process
    holds the run.
    """
    if run.finished:
        return "finished"
    return "running" if _is_locked(run.path) else "unfinished"


def _is_locked(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    lock = folder / ".lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder of another user
        return False
