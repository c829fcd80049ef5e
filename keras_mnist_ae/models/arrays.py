"""Arrays in and out of Keras models: any type and layout that exported graphs take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from .ports import Port, batches, checked

CHUNK = 256  # images computed at once


def computed(model: Any, given: Any, inputs: Sequence[tuple[str, Any]]) -> list[np.ndarray]:
    """The outputs of a functional model for arrays, chunk by chunk.

    Args:
        inputs: name and symbolic tensor of each input.

    Raises:
        DataError: An array is of another shape, type or range.
    """
    ports = tuple(
        Port(name, np.uint8 if name.startswith("switch") else np.float32, tuple(tensor.shape[1:]))
        for name, tensor in inputs
    )
    arrays = batches(given, ports)
    parts: list[list[np.ndarray]] = []
    for start in range(0, max(len(arrays[0]), 1), CHUNK):
        chunk = [
            checked(array[start : start + CHUNK], port, start)
            for array, port in zip(arrays, ports, strict=True)
        ]
        found = model.predict_on_batch(chunk if len(chunk) > 1 else chunk[0])
        parts.append([np.asarray(part) for part in (found if isinstance(found, list) else [found])])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def scaled(values: Any) -> Any:
    """uint8 images as float32 in [0, 1]; whatever is no numpy array as it is.

    Raises:
        DataError: It holds NaN or infinity, or other integers.
    """
    if not isinstance(values, np.ndarray):
        return values
    if values.dtype == np.uint8:
        return np.divide(values, np.float32(255), dtype=np.float32)
    if values.dtype.kind not in "fb":
        raise DataError(
            f"the images are of type {values.dtype}; give uint8 in 0..255 or floating point in [0, 1]"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        number = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(f"image number {number} holds NaN or infinity")
    return values
