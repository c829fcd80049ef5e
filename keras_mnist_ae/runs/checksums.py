"""The checksums of a run folder: the SHA-256 that each of its files may have.

The checksum of a new content is written before the file is replaced, and that of the content it
replaces stays allowed: wherever a process is killed, what lies there is known.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import CorruptFileError
from ..system.atomic import write_text
from ..system.reading import length, open_regular, read_json

CHECKSUMS = "checksums.json"
LARGEST = 2**31  # bytes of a file


def allowed(folder: Path) -> dict[str, list[str]]:
    """The checksums that each file of a run folder may have, by name.

    Raises:
        CorruptFileError: The list is damaged.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
        files: dict[str, list[str]] = content["files"]
        if not all(isinstance(hashes, list) for hashes in files.values()):
            raise ValueError("it names no checksums")
        if content["sha256"] != digest(files):
            raise ValueError("its own sha256 is another")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(
            f"{path} is not a list of checksums of ours: {error}\nRestore it from a copy, or train again."
        ) from error
    return files


def allow(folder: Path, name: str, replacement: Path) -> None:
    """Allow a file to have the content of `replacement`, beside the content that it has now."""
    files = {other: hashes for other, hashes in allowed(folder).items() if (folder / other).is_file()}
    hashes = [sha256(replacement)]
    if (folder / name).is_file() and (present := sha256(folder / name)) in files.get(name, []):
        hashes.append(present)
    files[name] = list(dict.fromkeys(hashes))
    write_json(folder / CHECKSUMS, {"files": files, "sha256": digest(files)})


def to_json(value: Any) -> str:
    """Indented JSON with a line end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value))


def sha256(path: Path) -> str:
    """SHA-256 of a regular file, in hexadecimal; "" for one that is larger than any of ours."""
    with open_regular(path) as file:
        if length(file) > LARGEST:
            return ""
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
