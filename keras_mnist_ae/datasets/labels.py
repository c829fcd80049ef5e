"""Labels of any kind as class numbers: whole numbers, text, one-hot rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64] | None
MOST = 10_000  # classes


def numbered(values: NDArray[Any]) -> tuple[Labels, tuple[str, ...]]:
    """Class numbers int64 of shape (n,) and the names of the classes.

    Whole numbers from 0 up count as they are; others, and text, are numbered in their order.

    Raises:
        ValueError: They are no labels of one class each; the message says why.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        values = _from_one_hot(values)
    if values.ndim != 1:
        raise ValueError(f"labels have shape {values.shape}; give one label an image")
    if values.dtype.kind in "SUOT":
        values = np.array([_text(value) for value in values])
        return _by_order(values)
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise ValueError("labels are numbers with a fraction; give whole numbers or text")
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise ValueError(f"labels are of type {values.dtype}; give whole numbers or text")
    if len(values) and values.min() >= 0 and values.max() < MOST:
        names = tuple(str(number) for number in range(int(values.max()) + 1))
        return values.astype(np.int64), names
    return _by_order(values)


def _from_one_hot(rows: NDArray[Any]) -> NDArray[np.int64]:
    if rows.dtype.kind not in "biuf" or not np.isin(rows, (0, 1)).all():
        raise ValueError(f"labels have shape {rows.shape}; give one label an image")
    if (rows.sum(axis=1) != 1).any():
        raise ValueError("several labels belong to one image, or none")
    return np.asarray(rows.argmax(axis=1), np.int64)


def _by_order(values: NDArray[Any]) -> tuple[Labels, tuple[str, ...]]:
    classes, numbers = np.unique(values, return_inverse=True)
    if len(classes) > MOST:
        raise ValueError(f"there are {len(classes):,} different labels, more than {MOST:,}")
    return numbers.astype(np.int64), tuple(str(name) for name in classes)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
