"""CSV and Parquet files as a source of images: pixels in columns, or pictures in one column."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingDependencyError, reason
from ..system.reading import open_regular
from . import picture_tables, pixel_tables, table_columns
from .assembly import Part, Source
from .mapped import filled
from .pixel_tables import LOOKED_AT, Pixels
from .reading import Reading
from .resize import fitted_array
from .splits import split_of

ROWS = 256


def source(files: list[Path], reading: Reading) -> Source:
    """The images in tables, one file or several, of which each belongs to the split that its name
    begins with.

    Raises:
        DataError: They hold no images.
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = pyarrow(files[0])
    groups: dict[str, list[Path]] = {}
    for file in files:
        split = split_of_file(file) if len(files) > 1 else None
        groups.setdefault(split or "", []).append(file)
    try:
        tables = {
            split: arrow.concat_tables([_table(path) for path in paths]) for split, paths in groups.items()
        }
        if "" not in tables:
            return _source(files[0], tables, reading)
        tables[""], splits = table_columns.without_splits(tables[""])
        return _source(files[0], tables, reading, splits)
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{files[0]} cannot be used: {reason(error)}") from error


def pyarrow(path: Path) -> Any:
    """The package that reads a table. Raises `MissingDependencyError`."""
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{path.name} needs pyarrow.\nInstall it: pip install 'keras_mnist_ae[tables]'"
        ) from error
    return pyarrow


def split_of_file(file: Path) -> str | None:
    """The split that the name of a file, or of its folder, begins with."""
    return split_of(re.split(r"[-_.]", file.stem)[0]) or split_of(file.parent.name)


def _table(path: Path) -> Any:
    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path, memory_map=True)
    from pyarrow import csv

    with (
        open_regular(path) as file,
        gzip.open(file) if path.suffix.lower() == ".gz" else file as stream,
    ):
        head = stream.readline(2**20).decode("utf-8-sig", "replace").strip()
    if not head:
        raise ValueError("it is empty")
    delimiter = max(",;\t", key=head.count)
    cells = [cell.strip('"') for cell in head.split(delimiter)]
    headless = all(_is_number(cell) for cell in cells if cell) and any(cells) and not _counts(cells)
    names = [cell for cell in cells if cell and cell.lower() in (*table_columns.IDS, *table_columns.PICTURES)]
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(autogenerate_column_names=headless),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        # 007 names a picture, and is no number
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow(path).string())),
    )
    if headless:
        return table.rename_columns([str(at) for at in range(1, table.num_columns + 1)])
    return table


def _counts(cells: list[str]) -> bool:
    """Whether a first line numbers the columns, as pandas does, whose index has no name."""
    numbers = cells if cells[0] else cells[1:]
    return len(numbers) > 1 and any(
        numbers == [str(at) for at in range(first, first + len(numbers))] for first in (0, 1)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _source(
    path: Path, tables: dict[str, Any], reading: Reading, splits: Sequence[str] | None = None
) -> Source:
    first = next(iter(tables.values()))
    picture = table_columns.picture_column(first, path.parent)
    if not picture:
        return _numbers(path, tables, reading, splits)
    notes: list[str] = []
    label, others = table_columns.labels_beside(list(tables.values()), picture)
    labels = {split: _labels(table, label, notes) for split, table in tables.items()}
    images = picture_tables.source(path, tables, picture, labels, reading)
    images.classes = table_columns.class_names(first, label) if label else ()
    images.notes += [*table_columns.said_of(label, others), *notes]
    if splits:
        images.parts[""].splits = splits
    return images


def _numbers(path: Path, tables: dict[str, Any], reading: Reading, splits: Sequence[str] | None) -> Source:
    """Tables with the pixels of an image in a row."""
    first = next(iter(tables.values()))
    pixels = pixel_tables.find(first, reading, lambda names: first.select(names).slice(0, LOOKED_AT))
    height, width, channels = pixels.shape
    if size := reading.size:
        height, width, channels = size.height, size.width, size.channels or channels
    parts, notes, bad = {}, list(pixels.notes), 0
    for split, table in tables.items():
        good: list[bool] = []
        rows = _fitted(_rows(table.select(pixels.columns), pixels, reading, path.name), reading, good)
        try:
            images = filled((table.num_rows, height, width, channels), rows)
        except ValueError:
            pixel_tables.left_out(good.count(False), len(good))  # where they are most, it says why
            raise
        bad += good.count(False)
        labels = _labels(table.filter(good), pixels.label, notes)
        parts[split] = Part(images, lambda image: image, labels)
        if splits:
            parts[split].splits = [name for name, is_good in zip(splits, good, strict=True) if is_good]
    notes += pixel_tables.left_out(bad, sum(table.num_rows for table in tables.values()))
    names = table_columns.class_names(first, pixels.label) if pixels.label else ()
    return Source(str(path), parts, (height, width, channels), notes, classes=names)


def _rows(table: Any, pixels: Pixels, reading: Reading, name: str) -> Iterator[NDArray[np.uint8] | None]:
    start = 0
    for batch in table.to_batches(max_chunksize=ROWS):
        yield from pixels.images(batch, reading, name, start)
        start += len(batch)


def _fitted(
    images: Iterator[NDArray[np.uint8] | None], reading: Reading, good: list[bool]
) -> Iterator[NDArray[np.uint8]]:
    for image in images:
        good.append(image is not None)
        if image is not None:
            yield fitted_array(image, reading.size, reading.mode) if reading.size else image


def _labels(table: Any, name: str | None, notes: list[str]) -> NDArray[Any] | None:
    if name is None:
        return None
    column = table.column(name)
    if column.null_count:
        notes.append(f"no labels are used: {column.null_count} of those in {name!r} are empty")
        return None
    return np.asarray(column.to_numpy())
