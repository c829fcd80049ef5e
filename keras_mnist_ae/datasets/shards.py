"""Tar shards in WebDataset's layout as a source of images: 0001.png beside 0001.cls."""

import io
import tarfile
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, reason
from ..system import signals
from .assembly import Part, Source, some
from .decoding import Decoder
from .folders import PICTURES
from .pictures import BROKEN
from .reading import Fit, Reading
from .resize import is_grey, opened
from .splits import split_of

LARGEST_MEMBER = 2**28  # bytes
LABELS = (".cls", ".label", ".txt")


def source(files: list[Path], reading: Reading) -> Source:
    """The pictures in tar files, of which each belongs to the split that its name begins with.

    Raises:
        DataError: A file is no tar file, or holds no pictures.
    """
    parts: dict[str, Part] = {}
    broken: list[str] = []
    left_out: Counter[str] = Counter()
    first: tuple[int, int, int] | None = None

    def decode(content: bytes) -> NDArray[np.uint8] | None:
        assert first is not None
        try:
            return Decoder(first, reading)(io.BytesIO(content))
        except BROKEN as error:
            broken.append(reason(error, 80))
            return None

    notes = []
    for file in files:
        split = split_of(file.name.split("-")[0].split(".")[0]) or ""
        split = split if len(files) > 1 else ""
        names, images, labels = _members(file, left_out)
        if not images:
            raise DataError(f"{file} holds no pictures.")
        if not _ended(file):
            notes.append(f"{file.name} lacks the end of an archive: cut off?")
        part = parts.setdefault(split, Part([], decode, [], []))
        assert isinstance(part.items, list)
        assert isinstance(part.names, list)
        part.items += images
        part.names += names
        part.labels = None if part.labels is None or labels is None else [*part.labels, *labels]
    for part in parts.values():
        for content in part.items:
            first = first or _shape(content, reading)
    if first is None:
        raise DataError(f"no picture in {files[0]} can be read.")

    def finish() -> list[str]:
        return [f"{len(broken)} broken: {some(broken)}"] if broken else []

    if left_out:
        told = ", ".join(f"{count} {suffix}" for suffix, count in left_out.most_common())
        notes.append(f"left out {sum(left_out.values())}: {told}")
    return Source(str(files[0]), parts, first, notes, parallel=True, finish=finish)


def _members(file: Path, left_out: Counter[str]) -> tuple[list[str], list[bytes], list[str] | None]:
    """Keys and encoded pictures of a shard, and their labels where each has one; other members are
    counted in `left_out`.
    """
    images: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                signals.check()
                name = PurePosixPath(member.name)
                if not member.isfile():
                    continue
                if name.name.startswith(".") or member.size > LARGEST_MEMBER:
                    left_out["hidden" if name.name.startswith(".") else "too large"] += 1
                    continue
                key, suffix = str(name.parent / name.name.split(".")[0]), name.suffix.lower()
                stream = archive.extractfile(member)
                if stream and suffix in PICTURES:
                    images[key] = stream.read()
                elif stream and suffix in LABELS and member.size < 1000:
                    labels[key] = stream.read().decode("utf-8", "replace").strip()
                else:
                    left_out[f"({suffix or 'without suffix'})"] += 1
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    named = [labels[key] for key in images if key in labels]
    return list(images), list(images.values()), named if len(named) == len(images) and named else None


def _ended(file: Path) -> bool:
    """Whether a tar file has the zeros at its end, without which Python takes it as whole. A
    compressed one that is cut off is refused anyway.
    """
    if file.suffix.lower() != ".tar":
        return True
    with file.open("rb") as content:
        content.seek(-tarfile.BLOCKSIZE, io.SEEK_END)
        return not any(content.read())


def _shape(content: bytes, reading: Reading) -> tuple[int, int, int] | None:
    try:
        with opened(io.BytesIO(content), reading.size) as picture:
            channels = 1 if is_grey(picture) else 3
            size = reading.size or reading.expected or Fit(picture.height, picture.width)
            return size.height, size.width, size.channels or channels
    except BROKEN:
        return None
