"""Arrays in .npy and .npz files as a source of images, read a part at a time."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..system import npy, signals
from ..system.notes import say
from ..system.reading import length, open_regular
from .assembly import Part, Source, some
from .axes import axes
from .mapped import filled
from .npz_names import IMAGES, LABELS, SPLITS, by_name
from .reading import Reading, scaled
from .resize import fitted_array

LARGEST = 2**36  # bytes of pixels
ROWS = 256  # images read at a time

UNREADABLE: tuple[type[Exception], ...] = (OSError, ValueError, KeyError, *npy.ZIP_ERRORS)


def source(path: Path, reading: Reading) -> Source:
    """The images in a .npy or .npz file. Raises `DataError`."""
    try:
        if path.suffix.lower() == ".npy":
            with open_regular(path) as stream:
                return _whole(path, _images(path, "the array", stream, length(stream), reading), None)
        with npy.members(path) as archive:
            members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            return _archive(path, Members(path, archive, members), reading)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be used: {error}") from error


class Members:
    """The arrays of a .npz file by name."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> None:
        self.path, self.archive, self.entries = path, archive, entries
        self.notes: list[str] = []

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with self.archive.open(self.entries[name]) as stream:
            yield stream

    def images(self, name: str, reading: Reading) -> NDArray[np.uint8]:
        with self.open(name) as stream:
            return _images(self.path, name, stream, self.entries[name].file_size, reading)

    def labels(self, name: str) -> NDArray[Any] | None:
        """None where there is no array of that name, or one of objects, which is said."""
        if name not in self.entries:
            return None
        with self.open(name) as stream:
            try:
                shape, dtype = npy.header(stream)
            except ValueError as error:
                self.notes.append(f"no labels are used: {name} holds {error}")
                return None
            if prod(shape) * dtype.itemsize > self.entries[name].file_size:
                raise ValueError(f"{name} is truncated")
            return npy.rows(stream, shape, dtype)


def _archive(path: Path, members: Members, reading: Reading) -> Source:
    names = members.entries.keys()
    if reading.arrays:
        asked = dict(reading.arrays)
        if missing := [name for name in asked.values() if name not in names]:
            raise ValueError(f"it has no array {', '.join(missing)}; it has {', '.join(sorted(names))}")
        if "test" in asked:
            keys = ("train", "labels", "test", "test_labels")
            group = (*(asked.get(key, "") for key in keys), "", "")
            return _parts(path, members, group, reading)
        return _whole(path, members.images(asked["train"], reading), members.labels(asked.get("labels", "")))
    roles, _ = by_name(names)
    notes = []
    if not roles.keys() & {("train", IMAGES), ("", IMAGES)}:
        found = _only(members)
        if found is None:
            raise ValueError(
                f"it has the arrays {', '.join(sorted(names)) or 'none'}; give x_train, y_train, x_test, "
                "y_test, or images, labels, or name them: --arrays train=NAME,labels=NAME"
            )
        images, labels = found
        roles = {("", IMAGES): images, **({("", LABELS): labels} if labels else {})}
        if len(names) > 1:
            notes = [f"{images} holds the images" + (f", {labels} the labels" if labels else "")]
    if sum((split, IMAGES) in roles for split in SPLITS) > 1:
        group = tuple(roles.get((split, kind), "") for split in SPLITS for kind in (IMAGES, LABELS))
        source, used = _parts(path, members, group, reading), {*group}
    else:
        images = roles.get(("train", IMAGES)) or roles["", IMAGES]
        labels = roles.get(("train", LABELS)) or roles.get(("", LABELS)) or ""
        source, used = _whole(path, members.images(images, reading), members.labels(labels)), {images, labels}
    if others := sorted(names - used):
        notes.append(f"left out the array{'s' * (len(others) > 1)} {some(others)}")
    source.notes += [*notes, *members.notes]
    return source


def _only(members: Members) -> tuple[str, str | None] | None:
    """The names of the only array of images, and of the only labels of as many, among others."""
    shapes = {}
    for name in members.entries:
        with suppress(ValueError), members.open(name) as stream:  # of objects, which are not read
            shapes[name] = npy.header(stream)[0]
    images = [name for name, shape in shapes.items() if len(shape) > 2 or (len(shape) == 2 and shape[1] > 1)]
    if len(images) != 1:
        return None
    count = shapes[images[0]][0]
    labels = [name for name, shape in shapes.items() if name != images[0] and shape in ((count,), (count, 1))]
    return images[0], labels[0] if len(labels) == 1 else None


def _parts(path: Path, members: Members, group: tuple[str, ...], reading: Reading) -> Source:
    parts: dict[str, Part] = {}
    shape: Any = None
    for split, images, labels in zip(SPLITS, group[::2], group[1::2], strict=True):
        if images not in members.entries:
            continue
        array = members.images(images, reading)
        if shape not in (None, array.shape[1:]):
            raise ValueError(f"{group[0]} has images of {shape}, {images} of {array.shape[1:]}")
        shape = array.shape[1:]
        parts[split] = Part(array, _same, members.labels(labels))
    return Source(str(path), parts, shape)


def _whole(path: Path, array: NDArray[np.uint8], labels: NDArray[Any] | None) -> Source:
    height, width, channels = array.shape[1:]
    return Source(str(path), {"": Part(array, _same, labels)}, (height, width, channels))


def _same(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def _images(path: Path, name: str, stream: IO[bytes], length: int, reading: Reading) -> NDArray[np.uint8]:
    """The images in a stream of `length` bytes, as a mapped array."""
    shape, dtype = npy.header(stream)
    found = axes(shape, name, reading.image_shape)
    if prod(shape) > LARGEST:
        raise ValueError(f"{name} has shape {shape}, more than {LARGEST:,} numbers")
    if prod(shape) * dtype.itemsize > length:
        raise ValueError(f"{name} is truncated: {length:,} bytes for shape {shape} and type {dtype}")

    def rows() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, shape[0], ROWS):
            signals.check()
            part = npy.rows(stream, (min(ROWS, shape[0] - start), *shape[1:]), dtype)
            part = found.channels_last(scaled(part, reading.value_range, name, start))
            part = 255 - part if reading.invert else part
            for image in part:
                yield fitted_array(image, reading.size, reading.mode) if reading.size else image

    height, width, channels, first = found
    if first:
        say(f"kae: {path}: {name} has its channels first: {shape} is read as images of {height}x{width}")
    if size := reading.size:
        height, width, channels = size.height, size.width, size.channels or channels
    return filled((shape[0], height, width, channels), rows())
