"""Tar shards in WebDataset's layout as a source of images: 0001.png beside 0001.cls."""

import io
import tarfile
from collections import Counter
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, reason
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
# Of several pictures of a key these are read before others, and those after others.
FIRST = ("", "image", "img", "photo", "picture", "rgb", "color", "colour", "input", "x", "jpg", "png")
LAST = ("mask", "masks", "seg", "segmentation", "label", "labels", "gt", "depth", "target", "y")
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
    images: dict[str, tuple[Member, bytes]] = {}
    labels: dict[str, str] = {}
    try:
        with tarfile.open(file) as archive:
            for entry in archive:
                signals.check()
                if not entry.isfile():
                    continue
                hidden = PurePosixPath(entry.name).name.startswith(".")
                if hidden or entry.size > LARGEST_MEMBER:
                    left_out["hidden" if hidden else "too large"] += 1
                    continue
                member, stream = member_of(entry.name), archive.extractfile(entry)
                key = member.key
                if stream and member.suffix in PICTURES:
                    other = images.get(key, (member, b""))[0]
                    if key in images:
                        less = max(member, other, key=lambda each: each.rank)
                        left_out[f"beside another of its key ({less.kind or less.suffix})"] += 1
                    if key not in images or member.rank < other.rank:
                        images[key] = member, stream.read()
                elif stream and member.suffix in LABELS and entry.size < 1000:
                    if member.suffix == CAPTION and key in labels:  # .cls says more
                        continue
                    labels[key] = stream.read().decode("utf-8", "replace").strip()
                else:
                    left_out[f"({member.suffix or 'without suffix'})"] += 1
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read as a tar file: {reason(error).partition(':')[0]}") from error
    named = [labels[key] for key in images if key in labels]
    if 0 < len(named) < len(images):
        left_out[f"labels, since {len(images) - len(named)} of {len(images)} pictures have none"] += len(
            named
        )
    contents = [content for _, content in images.values()]
    return list(images), contents, named if len(named) == len(images) and named else None


class Member(NamedTuple):
    """What the name of a file in a shard says: `mask` of 0001.mask.png is its kind. Numbers belong
    to the key, as in frame.0001.png.
    """

    key: str
    kind: str
    suffix: str

    @property
    def rank(self) -> int:
        """Of several pictures of a key that with the lowest one is read."""
        kind = self.kind.lower()
        return FIRST.index(kind) if kind in FIRST else len(FIRST) + (kind in LAST)


def member_of(path: str) -> Member:
    """Of a file's path within an archive."""
    name = PurePosixPath(path.lstrip("/"))
    stem, *others = name.name.split(".")[:-1] or [name.name]
    while others and others[0].isdecimal():
        stem += "." + others.pop(0)
    return Member(str(name.parent / stem), ".".join(others), name.suffix.lower())


def _ended(file: Path) -> bool:
    """Whether a tar file has the zeros at its end, without which Python takes it as whole. A
    compressed one that is cut off is refused anyway.
    """
    if file.suffix.lower() != ".tar":
        return True
    with file.open("rb") as content:
        content.seek(-tarfile.BLOCKSIZE, io.SEEK_END)
        return not any(content.read())
