"""CSV and Parquet files as a source of images: pixels in columns, or pictures in one column."""

import gzip
from collections.abc import Iterator, Sequence
from csv import reader
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingDependencyError, reason
from ..system.notes import say
from ..system.reading import open_regular
from . import picture_tables, pixel_tables, table_columns
from .assembly import Part, Source
from .folders import PICTURES
from .mapped import filled
from .pixel_tables import LOOKED_AT, Pixels
from .pixel_vectors import vector
from .reading import Reading
from .resize import fitted_array
from .splits import splits_of_files

ROWS = 256
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # with which a text of that encoding begins


def source(files: list[Path], reading: Reading) -> Source:
    """The images in tables, one file or several, of which each belongs to the split that its name
    begins with.

    Raises:
        DataError: They hold no images.
        MissingDependencyError: pyarrow is not installed.
    """
    arrow = pyarrow(files[0])
    groups: dict[str, list[Path]] = {}
    for file, split in zip(files, splits_of_files(files), strict=True):
        groups.setdefault(split, []).append(file)
    try:
        tables = {
            split: arrow.concat_tables([_table(path) for path in paths]) for split, paths in groups.items()
        }
        if "" not in tables:
            return _source(files[0], tables, reading)
        tables[""], splits, notes = table_columns.without_splits(tables[""])
        found = _source(files[0], tables, reading, splits)
        found.notes += notes
        return found
    except (arrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(f"{files[0]} cannot be used: {reason(error)}") from error


def named(files: list[Path]) -> list[Path]:
    """The pictures that tables name, as far as they are there; none where a table cannot be read,
    or holds its pictures.
    """
    arrow = pyarrow(files[0])
    found: list[Path] = []
    try:
        for file in files:
            first = _table(file, beginning=True)
            column = table_columns.picture_column(first, file.parent)
            if column is None or picture_tables.of_bytes(first, column):
                return []
            table = _table(file)
            place = picture_tables.located(table, column, file.parent)
            paths = [place.path(name) for name in table.column(column).to_pylist() if name] if place else []
            found += filter(Path.is_file, paths)
    except (arrow.ArrowException, OSError, ValueError, KeyError):
        return []  # said by the reading
    return found


def pyarrow(path: Path) -> Any:
    """The package that reads a table. Raises `MissingDependencyError`."""
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{path.name} needs pyarrow.\nInstall it: pip install 'keras_mnist_ae[tables]'"
        ) from error
    return pyarrow


def _table(path: Path, beginning: bool = False) -> Any:
    """A table, or its first rows."""
    arrow = pyarrow(path)
    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        if beginning:
            with parquet.ParquetFile(path) as opened:
                return arrow.Table.from_batches(islice(opened.iter_batches(ROWS), 1), opened.schema_arrow)
        return parquet.read_table(path, memory_map=True)
    from pyarrow import csv

    with (
        open_regular(path) as file,
        gzip.open(file) if path.suffix.lower() == ".gz" else file as stream,
    ):
        start = stream.readline(2**20)
    encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8-sig")
    head = start.decode(encoding, "replace").strip()
    if not head:
        raise ValueError("it is empty")
    delimiter = max(",;\t", key=head.count)
    cells = next(reader([head], delimiter=delimiter))
    headless = _is_headless(cells)
    names = [cell for cell in cells if cell and cell.lower() in (*table_columns.IDS, *table_columns.PICTURES)]

    def table(encoding: str) -> Any:
        read = _first_block if beginning else csv.read_csv
        return read(
            path,
            read_options=csv.ReadOptions(autogenerate_column_names=headless, encoding=encoding),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                # 007 names a picture, and is no number
                column_types={} if headless else dict.fromkeys(names, arrow.string()),
                strings_can_be_null=True,
            ),
        )

    found = table(encoding.removesuffix("-sig"))
    if any(arrow.types.is_binary(field.type) for field in found.schema):
        say(f"kae: {path.name} is no UTF-8: read as Windows-1252")
        found = table("cp1252")
    if headless:
        return found.rename_columns([str(at) for at in range(1, found.num_columns + 1)])
    return found


def _first_block(path: Path, **options: Any) -> Any:
    from pyarrow import csv

    with csv.open_csv(path, **options) as opened:
        return pyarrow(path).Table.from_batches([opened.read_next_batch()])


def _is_headless(cells: list[str]) -> bool:
    """Whether a first line is a row of data: a picture, a cell with all pixels, or numbers, at most
    one in two of which is missing or a word, unless they count the columns as pandas does.
    """
    if any(Path(cell).suffix.lower() in PICTURES or vector(cell) is not None for cell in cells):
        return True
    again = [cell for cell in cells if "." in cell and cell.rpartition(".")[0] in cells]
    if len(set(cells)) == len(cells) and 4 * len(again) > len(cells):  # pandas' names for equal names
        return False
    numbers = [cell for cell in cells if _is_number(cell)]
    counts = [[str(at) for at in range(first, first + len(numbers))] for first in (0, 1)]
    return 2 * len(numbers) >= len(cells) and not (len(numbers) > 1 and numbers in counts)


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
    first = max(tables.values(), key=lambda table: table.num_columns)  # one without labels has less
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
        kept = [str(row) for row, is_good in enumerate(good) if is_good]
        parts[split] = Part(images, lambda image: image, labels, kept)
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
    if name is None or name not in table.column_names:
        return None
    column = table.column(name)
    if column.null_count:
        notes.append(f"no labels are used: {column.null_count} of those in {name!r} are empty")
        return None
    return np.asarray(column.to_numpy())
