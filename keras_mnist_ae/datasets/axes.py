"""What the axes of an array of images stand for."""

from math import isqrt, prod
from typing import Any, NamedTuple

from numpy.typing import NDArray

from .resize import MODES

WIDEST = 4096  # pixels of a side


class Axes(NamedTuple):
    """Height, width and channels of the images in an array, whose channels may come `first`."""

    height: int
    width: int
    channels: int
    first: bool = False

    def channels_last(self, array: NDArray[Any]) -> NDArray[Any]:
        """The images of an array as (n, H, W, C)."""
        height, width, channels, first = self
        if first:
            return array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        return array.reshape(-1, height, width, channels)


def axes(shape: tuple[int, ...], name: str, image_shape: tuple[int, int, int] | None = None) -> Axes:
    """The axes of an array of that shape: (n, H, W), (n, H, W, C), (n, C, H, W), or rows of
    numbers, which are square images where `image_shape` says nothing.

    Raises `ValueError`, in which the array is called `name`.

    Examples:
        >>> axes((60, 3, 32, 24), "images")
        Axes(height=32, width=24, channels=3, first=True)
        >>> axes((60, 784), "images")
        Axes(height=28, width=28, channels=1, first=False)
    """
    if len(shape) == 2:
        return _of_rows(shape[1], name, shape, image_shape)
    if len(shape) not in (3, 4) or not all(1 <= size <= WIDEST for size in shape[1:]):
        raise ValueError(
            f"{name} has shape {shape}; give images of shape (n, height, width) or "
            "(n, height, width, channels)"
        )
    if len(shape) == 3:
        found = Axes(shape[1], shape[2], 1)
    elif shape[-1] in MODES:
        found = Axes(shape[1], shape[2], shape[3])
    elif shape[1] in MODES:
        found = Axes(shape[2], shape[3], shape[1], first=True)
    else:
        raise ValueError(
            f"{name} has shape {shape}; give {', '.join(map(str, MODES))} channels, as the last axis"
        )
    if image_shape not in (None, found[:3]):
        have, wanted = ("x".join(map(str, each)) for each in (found[:3], image_shape or ()))
        raise ValueError(f"{name} has images of {have}, not the {wanted} of image_shape")
    return found


def _of_rows(
    numbers: int, name: str, shape: tuple[int, ...], image_shape: tuple[int, int, int] | None
) -> Axes:
    if image_shape is None:
        side = isqrt(numbers)
        if side > 1 and side * side == numbers and shape[0] != numbers:  # or it may be one image
            return Axes(side, side, 1)
        raise ValueError(
            f"{name} has shape {shape}; give images of shape (n, height, width), or the shape of "
            "an image in a row: --image-shape HxW"
        )
    if prod(image_shape) != numbers:
        height, width, channels = image_shape
        raise ValueError(
            f"{name} has rows of {numbers} numbers; images of {height}x{width}x{channels} have "
            f"{prod(image_shape)}"
        )
    return Axes(*image_shape)
