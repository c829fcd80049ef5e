"""Inputs and outputs of models and exported graphs: what arrays they accept, and how these are laid
out. Needs numpy alone.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError

TYPES: dict[str, type[np.float32] | type[np.uint8]] = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}

Array = NDArray[Any]


class Rule(NamedTuple):
    """What a graph accepts: kinds of numpy types, least and greatest value."""

    kinds: str
    low: Any
    high: Any
    expected: str


GREATEST = np.float64(np.finfo(np.float32).max)
RULES = {
    "image": Rule("f", 0, 1, "uint8 in 0..255 or floating point in [0, 1]"),
    "latent": Rule("fiu", -GREATEST, GREATEST, "finite numbers"),
}
SWITCH_RULE = Rule("iu", 0, 3, "integers in 0..3")


class Port(NamedTuple):
    """An input or output of a graph as callers see it: shape without batch, channels last."""

    name: str
    dtype: type[np.float32] | type[np.uint8]
    shape: tuple[int, ...]


def batches(given: Any, ports: tuple[Port, ...]) -> list[Array]:
    """The arrays for these inputs with batch and channel axes, equally long and not yet converted.
    Raises `DataError`.
    """
    names = ", ".join(port.name for port in ports)
    if not isinstance(given, list | tuple) or len(given) != len(ports):
        raise DataError(
            f"this decoder takes a list of {len(ports)} arrays ({names}), as `encode` gives them."
        )
    arrays = [_batch(array, port) for array, port in zip(given, ports, strict=True)]
    if len({len(array) for array in arrays}) > 1:
        raise DataError(
            f"{names} must be equally long, but are {', '.join(str(len(array)) for array in arrays)}."
        )
    return arrays


def _batch(given: ArrayLike, port: Port) -> Array:
    shapes = [port.shape]
    if port.name == "image" and port.shape[-1] == 1:
        shapes.append(port.shape[:-1])
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{port.name} is no array of numbers: {error}") from None
    for shape in shapes:
        if array.shape[1:] == shape:
            return array.reshape(len(array), *port.shape)
    if array.shape in shapes:
        return array.reshape(1, *port.shape)
    expected = ", ".join(f"{('n', *shape)} or {shape}".replace("'", "") for shape in shapes)
    raise DataError(f"{port.name} has shape {array.shape}; expected {expected}.")


def prepared(array: Array, port: Port, start: int) -> Array:
    """A chunk, which begins at number `start`, converted, checked and laid out as the graph takes
    it. Raises `DataError`.
    """
    ready = checked(array, port, start)
    return np.ascontiguousarray(ready.transpose(0, 3, 1, 2)) if ready.ndim == 4 else ready


def checked(array: Array, port: Port, start: int) -> Array:
    """The same, channels last. Raises `DataError`."""
    if port.name == "image" and array.dtype == np.uint8:
        return np.divide(array, np.float32(255), dtype=np.float32)
    rule = RULES.get(port.name, SWITCH_RULE)
    if array.dtype.kind not in rule.kinds:
        raise DataError(f"{port.name} is of type {array.dtype}; expected {rule.expected}.")
    good = (array >= rule.low) & (array <= rule.high)  # NaN is not
    if not good.all():
        first = tuple(np.argwhere(~good)[0])
        raise DataError(
            f"{port.name} number {start + first[0]} holds {array[first]!s}; expected {rule.expected}."
        )
    return array.astype(port.dtype)


def ports_of(values: Any) -> tuple[Port, ...]:
    ports = []
    for value in values:
        batch, *shape = value.shape
        if (
            value.type not in TYPES
            or batch != "batch"
            or len(shape) not in (1, 3)
            or not all(isinstance(size, int) for size in shape)
        ):
            raise ValueError(f"{value.name} is a {value.type} of shape {value.shape}")
        ports.append(
            Port(
                value.name,
                TYPES[value.type],
                tuple(shape[1:] + shape[:1]) if len(shape) == 3 else tuple(shape),
            )
        )
    return tuple(ports)
