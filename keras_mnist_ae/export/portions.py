"""A source of images or codes in portions that other processes can read, each from any chunk to any
other.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..datasets import user_files
from ..datasets.folders import PICTURES
from ..datasets.opening import pillow_unheard
from ..datasets.pictures import BROKEN, why
from ..datasets.reading import Reading
from ..datasets.rows import Row, Streamed
from ..datasets.streamed import streamed
from ..errors import DataError, shown
from ..models.ports import Array
from ..system.notes import say
from . import inputs
from .streams import CHUNK, Chunk, images_in, opened, rows_of

Shape = tuple[int, ...]


@dataclass
class Portion(ABC):
    """The items from number `first`, `total` of them; it can be sent to another process."""

    first: int
    total: int

    @abstractmethod
    def chunks(self, broken: list[str]) -> Iterator[Chunk]:
        """The items in chunks that begin at multiples of the chunk's size, whatever the portion;
        `broken` is told which are left out and why. Raises `DataError`.
        """


@dataclass
class ArrayPortion(Portion):
    """Rows of the arrays in a .npy or .npz file."""

    path: Path
    ports: list[str]
    asked: Reading

    def chunks(self, broken: list[str]) -> Iterator[Chunk]:
        with ExitStack() as stack:
            streams = opened(self.path, self.ports, stack)
            yield from rows_of(self.path, streams, self.asked, self.first, self.first + self.total).chunks


@dataclass
class RowsPortion(Portion):
    """Rows of Parquet files or tar shards."""

    rows: Streamed
    classes: tuple[str, ...]

    def chunks(self, broken: list[str]) -> Iterator[Chunk]:
        rows = self.rows.rows(self.first, self.first + self.total, broken)
        try:
            yield from _chunks(rows, self.first, self.rows.decoder.shape, self.classes)
        except ValueError as error:
            raise DataError(f"{self.rows.files[0]}: {error}") from error


@dataclass
class PicturesPortion(Portion):
    """Pictures in files of their own: paths, names and classes, equally many."""

    paths: list[Path]
    names: list[str]
    classes: list[str]
    decoder: Callable[[Any], Array]
    shape: Shape

    def chunks(self, broken: list[str]) -> Iterator[Chunk]:
        yield from _chunks(self._rows(broken), self.first, self.shape, ())

    def _rows(self, broken: list[str]) -> Iterator[Row]:
        for path, name, kind in zip(self.paths, self.names, self.classes, strict=True):
            try:
                yield Row(self.decoder(path), name, kind)
            except BROKEN as error:
                broken.append(f"{name} ({why(error)})")
                yield Row(None, name, kind)


@dataclass
class WholePortion(Portion):
    """A part of a source that is read as a whole: whatever has no reader that begins anywhere."""

    source: str
    ports: list[str]
    image: Shape
    asked: Reading
    data_dir: Path | None

    def chunks(self, broken: list[str]) -> Iterator[Chunk]:
        with inputs.reading(self.source, self.ports, self.image, self.asked, self.data_dir) as given:
            start = self.first // CHUNK
            yield from islice(given.chunks, start, start + -(-self.total // CHUNK))


@dataclass(frozen=True)
class Divided:
    """A source that can be read in portions.

    Args:
        total: of its items, those included that cannot be read.
        sha256: of its content as far as names, sizes and times of files tell it.
        part: the portion from one item to before another; the first is a multiple of the chunk.
    """

    total: int
    sha256: str
    part: Callable[[int, int], Portion]


def divided(
    source: str, ports: list[str], image: Shape, asked: Reading, data_dir: Path | None = None
) -> Divided:
    """The portions of what `inputs.reading` takes; the arguments are the same.

    .npy files, Parquet, tar shards and folders of pictures are read from where a portion begins;
    each worker reads others from their beginning, which is said.

    Raises:
        DataError: Something is missing, damaged or does not fit.
        UsageError: There is no such source.
    """
    path = Path(source).expanduser().absolute()
    named = ports == ["image"] and not path.exists() and not user_files.is_path(source)
    if not named and path.suffix.lower() in (".npy", ".npz"):
        with ExitStack() as stack:
            if streams := (
                images_in(path, image, asked, stack)
                if ports == ["image"]
                else inputs.code_streams(path, ports, stack)
            ):
                total = rows_of(path, streams, asked).total
                return Divided(
                    total,
                    _of_files([path]),
                    lambda start, stop: ArrayPortion(start, stop - start, path, ports, asked),
                )
    if ports == ["image"] and not named and path.suffix.lower() not in PICTURES:
        files = user_files.find(path).files
        height, width, channels = image
        if rows := streamed(files, (height, width, channels), asked):
            classes = rows.classes
            return Divided(
                rows.total,
                _of_files(list(rows.files)),
                lambda start, stop: RowsPortion(start, stop - start, rows, classes),
            )
        if path.is_dir() and (pictures := _pictures(path, image, asked)):
            return pictures
    with inputs.reading(source, ports, image, asked, data_dir) as given:
        sha256 = _of_chunks(given.chunks) if named else _of_files(_files(path))
        total = given.total
    if not named:
        say(shown(f"kae: every worker reads {path.name} from its beginning; Parquet and .npy spare that"))
    return Divided(
        total,
        sha256,
        lambda start, stop: WholePortion(start, stop - start, source, ports, image, asked, data_dir),
    )


def _pictures(path: Path, image: Shape, asked: Reading) -> Divided | None:
    """A folder of pictures, whose sizes are looked at once."""
    source = inputs.source_of(path, image, asked)
    if source.decoder is None:
        return None
    decoder = source.decoder
    paths = [item for part in source.parts.values() for item in part.items]
    names = [name for part in source.parts.values() for name in part.names or ()]
    classes = inputs.classes_of(source)
    if notes := [*source.notes, *source.finish()]:
        say(shown(f"kae: {path.name}: {'; '.join(notes)}"))

    def part(start: int, stop: int) -> Portion:
        at = slice(start, stop)
        return PicturesPortion(start, stop - start, paths[at], names[at], classes[at], decoder, source.shape)

    return Divided(len(paths), _of_files(paths), part)


def _chunks(rows: Iterable[Row], first: int, shape: Shape, classes: tuple[str, ...]) -> Iterator[Chunk]:
    """Rows in chunks, those that cannot be read left out."""
    chunk, images, number = Chunk({}), list[Array](), first
    with pillow_unheard():
        for row in rows:
            if row.image is not None:
                images.append(row.image)
                chunk.names.append(row.name or str(number))
                chunk.classes.append("" if row.label is None else inputs.class_name(row.label, classes))
            number += 1
            if number % CHUNK == 0:
                chunk.arrays["image"] = inputs.stacked(images, shape)
                yield chunk
                chunk, images = Chunk({}), []
    if images or number == first:
        chunk.arrays["image"] = inputs.stacked(images, shape)
        yield chunk


def _files(path: Path) -> list[Path]:
    return user_files.find(path).files if path.is_dir() else [path]


def _of_files(paths: list[Path]) -> str:
    """SHA-256 of the list of files: names, sizes, times of change. Raises `DataError`."""
    digest = hashlib.sha256()
    try:
        for path in paths:
            about = path.stat()
            digest.update(f"{path.parent.name}/{path.name}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _of_chunks(chunks: Iterator[Chunk]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        for array in chunk.arrays.values():
            digest.update(array.tobytes())
    return digest.hexdigest()
