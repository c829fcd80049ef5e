"""Images of Parquet files and tar shards, from any row to any other, without holding the others:
for sets that are larger than memory.
"""

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import DataError, reason
from ..system import signals
from . import pixel_tables, table_columns, tables
from .decoding import Decoder
from .folders import PICTURES, Tree
from .layout import layout
from .picture_tables import FIRST, Place, located, of_bytes
from .pixel_tables import Pixels
from .reading import Reading
from .resize import fitted_array
from .rows import Row, Streamed
from .shards import FEW, LABELS, LARGEST_MEMBER, Member, member_of
from .splits import splits_of_files
from .table_columns import SPLITS

ROWS = 256  # read at once


@dataclass(frozen=True)
class ParquetRows(Streamed):
    """Rows of Parquet files: pictures in the column `picture`, else `pixels`."""

    picture: str | None
    pixels: Pixels | None
    label: str | None
    place: Place | None = None  # of pictures that are named; None is the table's folder

    @property
    def classes(self) -> tuple[str, ...]:
        from pyarrow import parquet

        return table_columns.class_names(parquet.read_schema(self.files[0]).empty_table(), self.label or "")

    def _rows(self, path: Path, low: int, high: int, first: int, broken: list[str]) -> Iterator[Row]:
        import pyarrow as arrow
        from pyarrow import parquet

        columns = list(self.pixels.columns) if self.pixels else [self.picture]
        columns += [self.label] if self.label else []
        begin = 0
        try:
            with parquet.ParquetFile(path, memory_map=True) as file:
                for group in range(file.num_row_groups):
                    size = file.metadata.row_group(group).num_rows
                    at, begin = begin, begin + size
                    if at >= high or begin <= low:
                        continue
                    for batch in file.iter_batches(ROWS, row_groups=[group], columns=columns):
                        part = batch.slice(max(low - at, 0), max(high - max(low, at), 0))
                        if len(part):
                            yield from self._batch(part, path, first + max(at, low), broken)
                        at += len(batch)
        except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} cannot be used: {reason(error)}") from error

    def _batch(self, batch: Any, path: Path, at: int, broken: list[str]) -> Iterator[Row]:
        signals.check()
        labels = batch.column(self.label).to_pylist() if self.label else [None] * len(batch)
        if self.pixels is None:
            for number, value in enumerate(batch.column(self.picture).to_pylist()):
                content, name = _content(value, self.place or Place(path.parent))
                image = None
                if content is None:
                    broken.append(f"row {at + number} (it is empty)")
                else:
                    image = self._image(content, f"row {at + number}", broken)
                yield Row(image, name, labels[number])
            return
        asked = self.decoder.reading
        images = self.pixels.images(batch, asked, path.name, at)
        for number, (image, label) in enumerate(zip(images, labels, strict=True), at):
            if image is None:
                broken.append(f"row {number} (empty cells, or another number of pixels)")
            elif asked.size:
                image = fitted_array(image, asked.size, asked.mode)
            yield Row(image, None, label)


def _content(value: Any, place: Place) -> tuple[Any, str | None]:
    """Bytes or path of a picture, and its name."""
    name = None
    if isinstance(value, dict):
        name = value.get("path") or None
        value = value.get("bytes") or name
    if isinstance(value, bytes):
        return value, name
    return (place.path(value), value) if isinstance(value, str) and value else (None, None)


@dataclass(frozen=True)
class TarRows(Streamed):
    """Pictures in tar shards: members that follow each other and differ in their suffix alone are
    one, as WebDataset has it. Where not each picture is `labelled`, `folders` names the classes of
    those within the archive.
    """

    labelled: bool
    folders: Mapping[str, str]

    def _rows(self, path: Path, low: int, high: int, first: int, broken: list[str]) -> Iterator[Row]:
        for at, (key, content, label) in enumerate(_groups(path, low, high)):
            if low <= at < high:
                label = label if self.labelled else self.folders.get(str(PurePosixPath(key).parent))
                yield Row(self._image(content, key, broken), key, label)


def _classes_of_folders(names: set[str]) -> dict[str, str]:
    """Folders of pictures and the classes that training makes of them."""
    placed = layout(Tree(Path(), [Path(name, "picture.png") for name in names]))
    found = {
        path.parent.as_posix(): name
        for entries in placed.splits.values()
        for path, name in entries
        if name is not None
    }
    return found if len(found) == len(names) and len(set(found.values())) > 1 else {}


def _groups(path: Path, low: int, high: int) -> Iterator[tuple[str, bytes, str | None]]:
    """Key, picture and label of each picture in a tar file before the one numbered `high`; those
    before `low` are not read.
    """
    group: Member | None = None  # whose picture is the one of its key so far
    key, picture, label, at = "", None, None, 0
    try:
        with tarfile.open(path) as archive:
            while at < high and (entry := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # which would grow with the file
                hidden = PurePosixPath(entry.name).name.startswith(".")
                if not entry.isfile() or hidden or entry.size > LARGEST_MEMBER:
                    continue
                member = member_of(entry.name)
                if member.key != key:
                    if picture is not None:
                        yield key, picture, label
                        at += 1
                    key, group, picture, label = member.key, None, None, None
                    signals.check()
                stream = archive.extractfile(entry)
                if stream and member.suffix in PICTURES:
                    if group is None or member.rank < group.rank:
                        group, picture = member, stream.read() if at >= low else b""
                elif stream and member.suffix in LABELS and entry.size < 1000:
                    label = stream.read().decode("utf-8", "replace").strip()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if picture is not None and at < high:
        yield key, picture, label


def streamed(files: list[Path], shape: tuple[int, int, int], reading: Reading) -> Streamed | None:
    """The rows of Parquet or tar files, those of each split together; None for other files.

    Args:
        shape: height, width and channels of the images.

    Raises:
        DataError: They hold no images.
    """
    decoder = Decoder(shape, reading)
    match files[0].suffix.lower():
        case ".tar":
            ordered = _by_split(files, splits_of_files(files))
            counts, folders, labels = [], set[str](), list[str | None]()
            for file in ordered:
                found = [(key, label) for key, _, label in _groups(file, 2**63, 2**63)]
                if not found:
                    raise DataError(f"{file} holds no pictures.")
                counts.append(len(found))
                folders |= {str(PurePosixPath(key).parent) for key, _ in found}
                labels += [label for _, label in found]
            differ = 2 * len(set(labels)) > len(labels) > FEW  # captions
            labelled = None not in labels and not differ
            classes = {} if labelled else _classes_of_folders(folders)
            return TarRows(ordered, tuple(counts), decoder, labelled, classes)
        case ".parquet":
            ordered = _by_split(files, splits_of_files(files))
            return _parquet(ordered, decoder)
    return None


def _by_split(files: list[Path], splits: list[str]) -> tuple[Path, ...]:
    """The files in the order in which training reads them: split by split."""
    if len(files) == 1:
        return tuple(files)
    order = list(dict.fromkeys(splits))
    found = [order.index(split) for split in splits]
    return tuple(file for _, file in sorted(zip(found, files, strict=True), key=lambda pair: pair[0]))


def _first(file: Path, columns: list[str]) -> Any:
    """The rows of a Parquet file that tell labels from pixels, of some columns."""
    from pyarrow import Table, parquet

    with parquet.ParquetFile(file, memory_map=True) as opened:
        batches = list(opened.iter_batches(pixel_tables.LOOKED_AT, columns=columns))[:1]
        return Table.from_batches(batches, opened.schema_arrow.empty_table().select(columns).schema)


def _parquet(files: tuple[Path, ...], decoder: Decoder) -> ParquetRows:
    arrow = tables.pyarrow(files[0])
    from pyarrow import parquet

    try:
        counts = tuple(parquet.read_metadata(file).num_rows for file in files)
        with parquet.ParquetFile(files[0]) as opened:
            rows = list(islice(opened.iter_batches(FIRST), 1))
        first = arrow.Table.from_batches(rows, parquet.read_schema(files[0]))
        first = first.drop_columns([name for name in first.column_names if name.lower() in SPLITS])
        for file in files[1:]:
            if other := set(first.column_names) - set(parquet.read_schema(file).names):
                raise ValueError(f"{file.name} has no column {other.pop()!r}")
        picture = table_columns.picture_column(first, files[0].parent)
        if picture:
            others = [name for name in first.column_names if name != picture]
            label, _ = table_columns.labels_beside([_first(files[0], others)], picture)
            place = None if of_bytes(first, picture) else located(first, picture, files[0].parent)
            return ParquetRows(files, counts, decoder, picture, None, label, place)
        asked = decoder.reading
        pixels = pixel_tables.find(first, asked, lambda names: _first(files[0], names))
        stored = pixels.shape
        made = (
            (asked.size.height, asked.size.width, asked.size.channels or stored[2]) if asked.size else stored
        )
        if made != decoder.shape:
            have, wanted = ("x".join(map(str, shape)) for shape in (made, decoder.shape))
            raise DataError(
                f"image has shape {made}: the images of {files[0]} are {have}, the graphs take {wanted}.\n"
                "Fit them: --resize"
            )
        return ParquetRows(files, counts, decoder, None, pixels, pixels.label)
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{files[0]} cannot be used: {reason(error)}") from error
