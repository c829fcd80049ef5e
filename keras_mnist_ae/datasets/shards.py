"""Tar shards in WebDataset's layout as a source of images: 0001.png beside 0001.cls."""

import io
import tarfile
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system import signals
from .assembly import Part, Source, some
from .decoding import Decoder
from .folders import PICTURES, Tree
from .headers import Header, first_size, header, images_of
from .layout import layout
from .opening import opened
from .pictures import BROKEN, why
from .reading import Reading
from .splits import splits_of_files

LARGEST_MEMBER = 2**28  # bytes
FEW = 10  # texts, all of which may differ
LOOKED_AT = 256  # pictures that tell of several kinds
IMAGES = ("image", "img", "input", "x", "rgb", "jpg", "png")  # kinds of which the first one there is taken
CAPTION = ".txt"
LABELS = (".cls", ".label", CAPTION)


def source(files: list[Path], reading: Reading) -> Source:
    """The pictures in tar files, of which each belongs to the split that its name begins with.

    Raises:
        DataError: A file is no tar file, or holds no pictures.
    """
    parts: dict[str, Part] = {}
    broken: list[str] = []
    left_out: Counter[str] = Counter()
    headers: list[Header] = []

    def decode(item: tuple[str, bytes]) -> NDArray[np.uint8] | None:
        name, content = item
        try:
            return decoder(io.BytesIO(content))
        except BROKEN as error:
            broken.append(f"{name} ({why(error)})")
            return None

    notes = []
    for file, split in zip(files, splits_of_files(files), strict=True):
        names, images, labels = _members(file, left_out)
        if not images:
            raise DataError(f"{file} holds no pictures.")
        if not _ended(file):
            notes.append(f"{file.name} lacks the end of an archive: cut off?")
        part = parts.setdefault(split, Part([], decode, [], []))
        assert isinstance(part.items, list)
        assert isinstance(part.names, list)
        part.items += zip(names, images, strict=True)
        part.names += names
        part.labels = None if part.labels is None or labels is None else [*part.labels, *labels]
    for part in parts.values():
        if part.labels and 2 * len(set(part.labels)) > len(part.labels) > FEW:
            notes.append("the texts beside the pictures are no labels: most differ")
            part.labels = None
    if list(parts) == [""] and parts[""].labels is None:
        parts = _by_folders(parts[""], notes)
    for part in parts.values():
        for _, content in part.items:
            signals.check()
            with suppress(BROKEN), opened(io.BytesIO(content), reading.size) as picture:
                headers.append(header(picture, reading))
    if not headers:
        raise DataError(f"no picture in {files[0]} can be read.")
    shape, reading, more = images_of(headers, first_size(headers, reading), reading)
    notes += more
    decoder = Decoder(shape, reading)

    def finish() -> list[str]:
        return [f"{len(broken)} broken: {some(broken)}"] if broken else []

    if left_out:
        told = ", ".join(f"{count} {suffix}" for suffix, count in left_out.most_common())
        notes.append(f"left out {sum(left_out.values())}: {told}")
    return Source(str(files[0]), parts, shape, notes, parallel=True, finish=finish, depth=reading.depth)


def _by_folders(part: Part, notes: list[str]) -> dict[str, Part]:
    """Pictures by split with their classes, as the folders within the archive name them."""
    assert part.names is not None
    order = layout(Tree(Path(), [Path(name) for name in part.names]))
    notes += order.notes
    items = dict(zip(part.names, part.items, strict=True))
    classes = {name for entries in order.splits.values() for _, name in entries}
    labelled = None not in classes and len(classes) > 1
    found = {}
    for split, entries in order.splits.items():
        names = [path.as_posix() for path, _ in entries]
        labels = [str(label) for _, label in entries] if labelled else None
        found[split] = Part([items[name] for name in names], part.decode, labels, names)
    return found


def _members(file: Path, left_out: Counter[str]) -> tuple[list[str], list[bytes], list[str] | None]:
    """Keys and encoded pictures of a shard, and their labels where each has one; other members are
    counted in `left_out`.
    """
    images: dict[str, bytes] = {}
    labels: dict[str, str] = {}
    kind = kind_taken(file)
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
                if suffix in PICTURES and kind not in (None, kind_of(name)):
                    left_out[f"of another kind ({kind_of(name)}, not {kind})"] += 1
                elif stream and suffix in PICTURES:
                    # a second picture of a key, as of frame.0001.png, has its whole name
                    images[key if key not in images else str(name.with_suffix(""))] = stream.read()
                elif stream and suffix in LABELS and member.size < 1000:
                    if suffix == CAPTION and key in labels:  # .cls says more
                        continue
                    labels[key] = stream.read().decode("utf-8", "replace").strip()
                else:
                    left_out[f"({suffix or 'without suffix'})"] += 1
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    named = [labels[key] for key in images if key in labels]
    if 0 < len(named) < len(images):
        left_out[f"labels, since {len(images) - len(named)} of {len(images)} pictures have none"] += len(
            named
        )
    return list(images), list(images.values()), named if len(named) == len(images) and named else None


def kind_of(name: PurePosixPath) -> str:
    """What stands between the key and the suffix: `mask` of 0001.mask.png."""
    return ".".join(name.name.split(".")[1:-1])


def kind_taken(file: Path) -> str | None:
    """The kind of picture that is read, where there are several of a key, such as 0001.image.png
    and 0001.mask.png; None where there are not.

    Raises:
        DataError: It is no tar file.
    """
    try:
        with tarfile.open(file) as archive:
            members = (PurePosixPath(member.name) for member in archive if member.isfile())
            pictures = (name for name in members if name.suffix.lower() in PICTURES)
            kinds = Counter(map(kind_of, islice(pictures, LOOKED_AT)))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    numbered = any(kind.isdecimal() for kind in kinds)  # as frame.0001.png
    if len(kinds) < 2 or numbered or min(kinds.values()) < 2:
        return None
    return next((kind for kind in ("", *IMAGES) if kind in kinds), next(iter(kinds)))


def _ended(file: Path) -> bool:
    """Whether a tar file has the zeros at its end, without which Python takes it as whole. A
    compressed one that is cut off is refused anyway.
    """
    if file.suffix.lower() != ".tar":
        return True
    with file.open("rb") as content:
        content.seek(-tarfile.BLOCKSIZE, io.SEEK_END)
        return not any(content.read())
