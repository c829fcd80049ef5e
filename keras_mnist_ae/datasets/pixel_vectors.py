"""Cells that hold all numbers of an image, as a list or as text."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEWEST = 16  # numbers in a cell that are an image
LOOKED_AT = 20  # cells
BETWEEN = re.compile(r"[\s,;\[\]()]+")  # numbers in text
WHOLE = re.compile(r"[-+]?\d+")
NAMES = ("pixels", "image", "img", "x")  # of such columns, which come before others


def vector_column(table: Any) -> tuple[str, NDArray[Any]] | None:
    """The column each of whose cells holds all pixels of an image, as a list or as text, and the
    first of them; where there are several, one of a usual name, else that with the most numbers.
    """
    found = {}
    for name in table.column_names:
        vectors = (vector(cell) for cell in _cells(table, name))
        if (first := next((each for each in vectors if each is not None), None)) is not None:
            found[name] = first
    usual = [(name, first) for name, first in found.items() if name.lower() in NAMES]
    return max(usual or found.items(), key=lambda item: item[1].size) if found else None


def _cells(table: Any, name: str) -> list[Any]:
    """The first of a column that may hold vectors."""
    import pyarrow.types as kinds

    kind = table.schema.field(name).type
    listed = kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)
    if not (listed or kinds.is_string(kind) or kinds.is_large_string(kind)):
        return []
    return list(table.column(name).slice(0, LOOKED_AT).to_pylist())


def vector(value: Any) -> NDArray[Any] | None:
    """The numbers in a cell; None where it holds something else."""
    try:
        if isinstance(value, str):
            parts = [part for part in BETWEEN.split(value) if part]
            if len(parts) < FEWEST:
                return None
            return np.array(parts, np.int64 if all(map(WHOLE.fullmatch, parts)) else np.float64)
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if array.dtype.kind in "buif" and array.size >= FEWEST and array.ndim else None


def shape_of(array: NDArray[Any]) -> tuple[int, int, int] | None:
    """Height, width and channels of lists within lists, the channels last or first."""
    if array.ndim == 2:
        return array.shape[0], array.shape[1], 1
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        return array.shape[0], array.shape[1], array.shape[2]
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return array.shape[1], array.shape[2], array.shape[0]
    return None
