"""Arrays in files as input of graphs, a chunk in memory at a time."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.arrays import UNREADABLE
from ..datasets.assembly import some
from ..datasets.reading import Reading, scaled
from ..errors import DataError, KaeError
from ..models.ports import Array
from ..system import npy
from ..system.reading import length, open_regular

CHUNK = 256  # images or codes at a time
LARGEST = 2**28  # bytes of a chunk

Streams = dict[str, tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]


@dataclass
class Chunk:
    """Arrays by the name of the input, and, where the source has them, the name and the class of
    each item.
    """

    arrays: dict[str, Array]
    names: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)


@dataclass
class Input:
    """The chunks of a source, how many items they hold at most, and the names of all of these and
    of the classes, where the source has them; `normal` is the class of all its training images,
    where its test images are of others too; `first` is the number of the first item.
    """

    total: int
    chunks: Iterator[Chunk]
    names: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    normal: str = ""
    first: int = 0


def images_in(path: Path, image: tuple[int, ...], asked: Reading, stack: ExitStack) -> Streams | None:
    """The images in an array file as a stream; None where training would read it otherwise: by the
    names of its arrays, from rows of numbers, with the channels first, resized or inverted.
    """
    if asked.arrays or asked.invert or asked.image_shape:
        return None
    if path.suffix.lower() == ".npz" and path.is_file():
        try:
            with npy.members(path) as archive:
                if len(archive.namelist()) > 1 and "image.npy" not in archive.namelist():
                    return None
        except UNREADABLE:
            pass  # said below
    streams = opened(path, ["image"], stack)
    ((_, shape, _),) = streams.values()
    fits = shape[1:] == image or (image[-1] == 1 and shape[1:] == image[:-1])
    return streams if fits else None


def opened(path: Path, ports: list[str], stack: ExitStack) -> Streams:
    """Streams of the arrays with these names, or of the only one, behind their headers."""
    try:
        if path.suffix.lower() == ".npy":
            file = stack.enter_context(open_regular(path))
            return {ports[0]: (file, *_header(file, length(file)))}
        archive = stack.enter_context(npy.members(path))
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        if len(ports) == len(entries) == 1:
            entries = {ports[0]: next(iter(entries.values()))}
        elif missing := [port for port in ports if port not in entries]:
            raise DataError(
                f"{path} has the arrays {some(list(entries)) or 'none'}; expected {', '.join(missing)} too."
            )
        streams = {}
        for port in ports:
            stream = stack.enter_context(archive.open(entries[port]))
            streams[port] = (stream, *_header(stream, entries[port].file_size))
        return streams
    except KaeError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _header(stream: IO[bytes], length: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """As `npy.header`, of rows that memory holds a chunk of and that `length` bytes have room
    for.
    """
    shape, dtype = npy.header(stream)
    if not shape or CHUNK * prod(shape[1:]) * dtype.itemsize > LARGEST:
        raise ValueError(f"an array of shape {shape} and type {dtype}; give rows of images or codes")
    if prod(shape) * dtype.itemsize > length:
        raise ValueError(f"it is truncated: {length:,} bytes for shape {shape} and type {dtype}")
    return shape, dtype


def rows_of(path: Path, streams: Streams, asked: Reading, start: int = 0, stop: int | None = None) -> Input:
    """The chunks of streams of one length, from row `start` to before `stop`.

    Raises `DataError`.
    """
    lengths = {shape[0] for _, shape, _ in streams.values()}
    if len(lengths) > 1:
        raise DataError(f"the arrays in {path} are not equally long: {', '.join(map(str, sorted(lengths)))}")
    (total,) = lengths
    end = total if stop is None else stop
    try:
        for stream, shape, dtype in streams.values():
            stream.seek(start * prod(shape[1:]) * dtype.itemsize, 1)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}") from error

    def chunk(at: int) -> Chunk:
        arrays = {
            name: rows(stream, (end, *shape[1:]), dtype, at, path)
            for name, (stream, shape, dtype) in streams.items()
        }
        if "image" in arrays:
            arrays["image"] = _scaled(arrays["image"], asked, path, at)
        return Chunk(arrays)

    return Input(total, map(chunk, range(start, max(end, 1), CHUNK)), first=start)


def rows(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], at: int, source: Path
) -> NDArray[Any]:
    """The next chunk of rows of a stream."""
    try:
        return npy.rows(stream, (min(CHUNK, shape[0] - at), *shape[1:]), dtype)
    except UNREADABLE as error:
        raise DataError(f"{source}, from row {at} of {shape[0]}: {error}") from error


def _scaled(array: Array, asked: Reading, path: Path, at: int) -> Array:
    """Integers and numbers of a stated range as training reads them; floating point in [0, 1] stays
    as exact as it is.
    """
    if not len(array) or (array.dtype.kind == "f" and not asked.value_range):
        return array
    try:
        return scaled(array, asked.value_range, "image", at)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
