"""CSV and Parquet files as a source of images: pixels in columns, or pictures in one column."""

import gzip
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingDependencyError
from ..system import signals
from ..system.reading import open_regular
from . import picture_tables, table_columns
from .assembly import Part, Source, some
from .mapped import filled
from .reading import Reading, scaled
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
        found = _source(files[0], tables, reading)
        found.parts[""].splits = splits
        return found
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{files[0]} cannot be used: {reason}") from error


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
    headless = all(_is_number(cell) for cell in cells)
    names = [cell for cell in cells if cell and cell.lower() in (*table_columns.IDS, *table_columns.PICTURES)]
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(autogenerate_column_names=headless),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        # 007 names a picture, and is no number
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow(path).string())),
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _source(path: Path, tables: dict[str, Any], reading: Reading) -> Source:
    first = next(iter(tables.values()))
    picture = table_columns.picture_column(first, path.parent)
    if picture:
        label, others = table_columns.labels_beside(list(tables.values()), picture)
        labels = {
            split: None if label is None else _values(table.column(label), label)
            for split, table in tables.items()
        }
        images = picture_tables.source(path, tables, picture, labels, reading)
        images.classes = table_columns.class_names(first, label) if label else ()
        if label and label.lower() not in table_columns.LABELS:
            images.notes.append(f"the column {label} holds the labels")
        if others:
            images.notes.append(f"left out the columns {some(others)}")
        return images
    return _numbers(path, tables, reading)


def _numbers(path: Path, tables: dict[str, Any], reading: Reading) -> Source:
    """Tables with a pixel in each column."""
    first = next(iter(tables.values()))
    shape, columns, label = pixel_columns(first, reading)
    ids = table_columns.row_ids(first)
    parts = {}
    for split, table in tables.items():
        images = _pixel_rows(table.select(columns), shape, reading, path.name)
        labels = None if label is None else _values(table.column(label), label)
        parts[split] = Part(images, lambda image: image, labels)
    height, width, channels = next(iter(parts.values())).items.shape[1:]
    names = table_columns.class_names(first, label) if label else ()
    notes = [f"left out the column {some(ids)}"] if ids else []
    return Source(str(path), parts, (height, width, channels), notes, classes=names)


def pixel_columns(table: Any, reading: Reading) -> tuple[tuple[int, int, int], list[str], str | None]:
    """Shape of the images in a table with a pixel in each column, these columns, and that of the
    labels; a first column that numbers the rows is neither. Raises `ValueError`.
    """
    table = table.drop_columns(table_columns.row_ids(table))
    count = len(table.column_names)
    label = table_columns.label_column(table)
    shape = reading.image_shape or _square(count - (label is not None)) or _square(count - 1)
    if shape is None or math.prod(shape) not in (count, count - 1):
        raise ValueError(
            f"its {count} columns ({some(list(table.column_names))}) are no pixels of a square image, "
            "nor a column of pictures; say the shape of an image: --image-shape HxW"
        )
    label = label or table_columns.label_column(table, math.prod(shape))
    return shape, [name for name in table.column_names if name != label], label


def _square(count: int) -> tuple[int, int, int] | None:
    for channels in (1, 3):
        side = math.isqrt(max(count, 0) // channels)
        if side > 1 and side * side * channels == count:
            return side, side, channels
    return None


def _pixel_rows(table: Any, shape: tuple[int, int, int], reading: Reading, name: str) -> NDArray[np.uint8]:
    size = reading.size

    def rows() -> Iterator[NDArray[np.uint8]]:
        start = 0
        for batch in table.to_batches(max_chunksize=ROWS):
            signals.check()
            columns = [numeric(column, batch.schema.names[at]) for at, column in enumerate(batch)]
            part = scaled(np.stack(columns, axis=1), reading.value_range, name, start)
            part = 255 - part if reading.invert else part
            for image in part.reshape(-1, *shape):
                yield fitted_array(image, size, reading.mode) if size else image
            start += len(part)

    height, width, channels = shape
    if size:
        height, width, channels = size.height, size.width, size.channels or channels
    return filled((table.num_rows, height, width, channels), rows())


def numeric(column: Any, name: str) -> NDArray[Any]:
    """The numbers of a column. Raises `ValueError`."""
    if column.null_count:
        raise ValueError(f"column {name!r} has empty cells")
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "uif":
        raise ValueError(f"column {name!r} holds text, not pixels")
    return np.asarray(values)


def _values(column: Any, name: str) -> NDArray[Any]:
    if column.null_count:
        raise ValueError(f"the labels in {name!r} have empty cells")
    return np.asarray(column.to_numpy())
