"""Decoded image sets, kept as .npy files in the user's cache folder and memory-mapped: the second
load only checks their sha256.
"""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import WriteError
from ..system.atomic import replacing, write_text
from ..system.user_cache import cache_folder
from .idx import Arrays

FORMAT = 5  # one higher whenever the same source is to give other arrays
PARTS = ("train_images", "train_labels", "test_images", "test_labels")


class Decoded(NamedTuple):
    """The arrays of a set, the names of its classes, the sha256 of the arrays, a note for the
    user, how many of the last training images are a validation split, and the range of pictures of
    more than 8 bits; where they are `paired`, the second half of an image's channels is what is to
    come out.
    """

    arrays: Arrays
    classes: tuple[str, ...]
    sha256: str
    note: str = ""
    validation: int = 0
    depth: tuple[float, float] | None = None
    paired: bool = False


def decoded(name: str, origin: Path, sources: list[Path], decode: Callable[[], Any]) -> Decoded:
    """The set out of the cache; decoded and put there when `sources`, the files it comes from below
    `origin`, are new or have changed.

    `decode` gives the arrays and the class names, and maybe a note and the number of validation
    images.
    """
    if cached := from_cache(name, origin, sources):
        return cached
    stamp = _stamp(sources)  # before the reading: a file that changes meanwhile is read again
    arrays, classes, *more = decode()
    content = Decoded(arrays, classes, content_sha256(arrays), *more)
    with suppress(OSError, WriteError):  # a cache that cannot be written is done without
        _to_cache(
            _entry(name, origin),
            arrays,
            {
                "sources": stamp,
                "classes": classes,
                "sha256": content.sha256,
                "note": content.note,
                "validation": content.validation,
                "depth": content.depth,
            },
        )
    return content


def from_cache(name: str, origin: Path, sources: list[Path]) -> Decoded | None:
    """None when there is no entry made of just these sources, or when anything is wrong with it."""
    entry = _entry(name, origin)
    with suppress(Exception):  # whatever is wrong with a cache, the source is still there
        meta, check = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        if sources and check == _text_sha256(meta) and meta["sources"] == _stamp(sources):
            train_images, train_labels, test_images, test_labels = (
                _mapped(entry, part, meta["arrays"]) for part in PARTS
            )
            arrays = train_images, train_labels, test_images, test_labels
            if content_sha256(arrays) == meta["sha256"]:
                return Decoded(
                    arrays,
                    tuple(meta["classes"]),
                    meta["sha256"],
                    meta["note"],
                    meta["validation"],
                    meta["depth"] and tuple(meta["depth"]),
                )
    return None


def content_sha256(arrays: Arrays) -> str:
    """Over the bytes of train images, train labels, test images, test labels (little-endian),
    whatever they came from.
    """
    digest = hashlib.sha256()
    for array in arrays:
        if array is not None:
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _entry(name: str, origin: Path) -> Path:
    """Folder of one cached dataset: what comes of a changed source takes the place of the old
    arrays.
    """
    key = hashlib.sha256(f"{FORMAT} {name} {origin.resolve()}".encode()).hexdigest()
    return cache_folder() / "arrays" / f"{re.sub(r'[^a-z0-9_]+', '-', name)}-{key[:16]}"


def _stamp(sources: list[Path]) -> str:
    """Identifies the sources by path, bytes and time of change in ns."""
    digest = hashlib.sha256()
    for path in sources:
        about = path.stat()
        digest.update(f"{path.absolute()} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _to_cache(entry: Path, arrays: Arrays, meta: dict[str, Any]) -> None:
    """Raises `WriteError` or OSError. The meta file goes first and comes last: arrays without it
    count for nothing.
    """
    (entry / "meta.json").unlink(missing_ok=True)
    shapes = {}
    for part, array in zip(PARTS, arrays, strict=True):
        if array is not None:
            shapes[part] = [str(array.dtype), *array.shape]
            with replacing(entry / f"{part}.npy") as temporary:
                np.save(temporary, array, allow_pickle=False)
    meta = {**meta, "arrays": shapes}
    write_text(entry / "meta.json", json.dumps([meta, _text_sha256(meta)]))


def _text_sha256(meta: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta).encode()).hexdigest()


def _mapped(entry: Path, part: str, shapes: dict[str, list[Any]]) -> Any:
    """The array in a cache file, memory-mapped; None where there is none. Raises ValueError or
    OSError.
    """
    if part not in shapes:
        return None
    array = np.load(entry / f"{part}.npy", mmap_mode="r", allow_pickle=False)
    if [str(array.dtype), *array.shape] != shapes[part]:
        raise ValueError(f"{part} holds {array.dtype} {array.shape}")
    return array
