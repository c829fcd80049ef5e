"""Tables with the pixels of an image in a row: a number in each of many columns, or all of them as
a list or as text in one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..system import signals
from ..system.hints import counted
from . import table_columns
from .assembly import some
from .pixel_vectors import shape_of, vector, vector_column
from .reading import Reading, scaled

LOOKED_AT = 10_000  # rows
SEEN = 256  # of these, whose lists of numbers are looked at
INNER = 7  # one pixel in so many is looked at beside the ends
FEW = 64  # values of pixels among which that of a label is strange

Shape = tuple[int, int, int]
Rows = Callable[[list[str]], Any]  # the first rows of some columns


@dataclass(frozen=True)
class Pixels:
    """Where the pixels of a table are: `columns` in the order of the pixels, or a single column
    with all of them. It can be sent to another process.

    Args:
        shape: (H, W, C) of an image.
        label: the column of labels.
        notes: what the user should know.
        first: whether the channels come first in the lists of a column.
        floats: whether numbers in text are fractions of white, though some rows have none.
    """

    columns: tuple[str, ...]
    shape: Shape
    label: str | None
    notes: tuple[str, ...] = ()
    first: bool = False
    floats: bool = False

    def images(
        self, batch: Any, reading: Reading, name: str, start: int
    ) -> Iterator[NDArray[np.uint8] | None]:
        """The image (H, W, C) of each row of a batch, the first of which is row `start` of the
        table `name`; None for one with empty cells or of another length. Raises `ValueError`.
        """
        signals.check()
        numbers, good = self._numbers(batch)
        images: Iterator[NDArray[np.uint8]] = iter(())
        if good.any():
            part = scaled(numbers[good], reading.value_range, name, start)
            part = 255 - part if reading.invert else part
            height, width, channels = self.shape
            if self.first:
                images = iter(part.reshape(-1, channels, height, width).transpose(0, 2, 3, 1))
            else:
                images = iter(part.reshape(-1, *self.shape))
        for is_good in good:
            yield next(images) if is_good else None

    def _numbers(self, batch: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The numbers of each row, and which rows have all of them."""
        good = np.ones(len(batch), bool)
        if len(self.columns) > 1:
            cells = []
            for name in self.columns:
                column = batch.column(name)
                if column.null_count == len(batch):  # whose type may be none
                    good[:] = False
                    continue
                if column.null_count:
                    good &= column.is_valid().to_numpy(zero_copy_only=False)
                    column = column.fill_null(0)
                cells.append(_numeric(column, name))
            return np.stack(cells, axis=1) if good.any() else np.empty((len(batch), 0)), good
        count = prod(self.shape)
        rows = [vector(value) for value in batch.column(self.columns[0]).to_pylist()]
        good = np.array([row is not None and row.size == count for row in rows], bool)
        numbers = [row for row, is_good in zip(rows, good, strict=True) if is_good and row is not None]
        kind = np.float64 if self.floats else np.result_type(*numbers) if numbers else np.uint8
        array = np.zeros((len(rows), count), kind)
        if numbers:
            array[good] = np.stack(numbers).reshape(-1, count)
        return array, good


def find(table: Any, reading: Reading, rows: Rows) -> Pixels:
    """Where the pixels are in a table of this kind; a first column that numbers the rows is left
    out.

    Args:
        table: any rows of it.
        rows: gives the first `LOOKED_AT` rows of some columns, which tell labels from pixels.

    Raises:
        ValueError: It has none.
    """
    if not table.num_columns:
        raise ValueError("it has no columns")
    ids = table_columns.row_ids(table)
    notes = [f"left out the column {ids[0] or 'without a name'}"] if ids else []
    table = table.drop_columns(ids)
    if found := vector_column(table):
        column, first = found
        others = [name for name in table.column_names if name != column]
        label, left = table_columns.labels_beside([rows([column, *others])], column)
        notes += table_columns.said_of(label, left)
        shape = reading.image_shape or shape_of(first) or square(first.size)
        if shape is None or prod(shape) != first.size:
            raise ValueError(
                f"the cells of {column!r} have {first.size} numbers, which are no square image; "
                "say the shape of an image: --image-shape HxW"
            )
        turned = not reading.image_shape and first.ndim == 3 and first.shape != shape
        if turned:
            notes.append(f"{column} has its channels first")
        seen = rows([column]).column(0).slice(0, SEEN).to_pylist()
        floats = any(each is not None and each.dtype.kind == "f" for each in map(vector, seen))
        return Pixels((column,), shape, label, tuple(notes), turned, floats)
    return _in_columns(table, reading, rows, notes)


def _in_columns(table: Any, reading: Reading, rows: Rows, notes: list[str]) -> Pixels:
    label = table_columns.label_column(table)
    text = [field.name for field in table.schema if not _is_number(field.type) and field.name != label]
    names = [name for name in table.column_names if name != label and name not in text]
    shape = reading.image_shape or square(len(names)) or square(len(names) - 1)
    kinds = {re.sub(r"\d+", "#", name) for name in names}
    named = not reading.image_shape and 2 * len(kinds) > len(names)  # each after something else
    if shape is None or named or prod(shape) not in (len(names), len(names) - 1):
        raise ValueError(
            f"its {len(table.column_names)} columns ({some(list(table.column_names))}) are no pixels of a "
            "square image, nor a column of pictures; say the shape of an image: --image-shape HxW"
        )
    if prod(shape) < len(names):
        other = _odd(names, rows)
        names.remove(other)
        if label is None:
            label = other
            notes.append(f"the column {label} holds the labels")
        else:
            text.append(other)
    elif label is None and text:
        label, text = table_columns.labels_beside([rows(text)], "")
        notes += table_columns.said_of(label, [])
    if text:
        notes.append(f"left out the column{'s' * (len(text) > 1)} {some(text)}")
    ordered = _in_order(names)
    if ordered != names:
        notes.append(f"the pixels are put in the order of the columns' numbers ({some(ordered)})")
    return Pixels(tuple(ordered), shape, label, tuple(notes))


def _odd(names: list[str], rows: Rows) -> str:
    """Which of the columns is none of the pixels: that of another kind of name; else the first or
    the last, by values: labels are few whole numbers, more than one, or such as pixels have not.
    """
    kinds = Counter(re.sub(r"\d+", "#", name) for name in names)
    usual = kinds.most_common(1)[0][0]
    others = [name for name in names if re.sub(r"\d+", "#", name) != usual]
    if len(others) == 1 and len(kinds) == 2:
        return others[0]
    ends, inside = [names[0], names[-1]], names[1:-1:INNER]
    table = rows([*ends, *inside])
    values_of = {name: set(table.column(name).unique().to_pylist()) for name in (*ends, *inside)}
    inner = set[Any]().union(*(values_of[name] for name in inside))
    strange = [name for name in ends if values_of[name] - inner]
    if len(strange) == 1 and len(inner) < FEW:
        return strange[0]
    counts = []
    for name in ends:
        values = table.column(name).drop_null().to_numpy()
        whole = values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
        count = len(np.unique(values))
        few = whole and 1 < count <= max(2, len(values) / 2)
        counts.append(count if few else len(values) + 2 + (count == 1))
    return ends[counts.index(min(counts))]


def _in_order(names: list[str]) -> list[str]:
    """Names that differ in their numbers, in the order of these; names of row and column of the
    pixel stay in either order of theirs.
    """
    numbers = {name: [int(number) for number in re.findall(r"\d+", name)] for name in names}
    if len({re.sub(r"\d+", "#", name) for name in names}) > 1 or len(set(map(tuple, numbers.values()))) < len(
        names
    ):
        return names
    by_rows = sorted(names, key=lambda name: numbers[name])
    by_columns = sorted(names, key=lambda name: numbers[name][::-1])
    return names if names in (by_rows, by_columns) else by_rows


def square(count: int) -> Shape | None:
    """The shape of a square image of so many numbers, grey or in colour."""
    for channels in (1, 3):
        side = isqrt(max(count, 0) // channels)
        if side > 1 and side * side * channels == count:
            return side, side, channels
    return None


def _is_number(kind: Any) -> bool:
    import pyarrow.types as kinds

    tests = (kinds.is_integer, kinds.is_floating, kinds.is_boolean, kinds.is_null)
    return any(is_kind(kind) for is_kind in tests)


def _numeric(column: Any, name: str) -> NDArray[Any]:
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "buif":
        raise ValueError(f"column {name!r} holds text, not pixels")
    return np.asarray(values)


def left_out(bad: int, total: int) -> list[str]:
    """What is said of rows that are no images. Raises `ValueError` where they are most."""
    if 2 * bad > total:
        raise ValueError(f"{bad} of {counted(total, 'row')} have empty cells, or another number of pixels")
    return [f"left out {counted(bad, 'row')} with empty cells or another number of pixels"] if bad else []
