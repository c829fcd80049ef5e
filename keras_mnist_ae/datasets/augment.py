"""Random changes of training images that leave them images of the same kind: mirrored, shifted."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

Floats = NDArray[np.float32]

NONE = "none"
SHARE = 10  # a shift is at most the tenth part of a side


def mirror(images: Floats, generator: np.random.Generator) -> Floats:
    """Every second image, on average, with left and right exchanged."""
    chosen = generator.random((len(images), 1, 1, 1)) < 0.5
    return np.where(chosen, images[:, :, ::-1], images)


def shift(images: Floats, generator: np.random.Generator) -> Floats:
    """Each image moved by up to a tenth of its sides; its edge pixels fill the gap."""
    count, height, width, _ = images.shape
    down, right = (generator.integers(-most, most + 1, (count, 1)) for most in (reach(height), reach(width)))
    rows = np.clip(np.arange(height) + down, 0, height - 1)
    columns = np.clip(np.arange(width) + right, 0, width - 1)
    moved: Floats = images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def reach(side: int) -> int:
    """The pixels that an image of that side is shifted by at most."""
    return max(1, side // SHARE)


CHANGES: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {"mirror": mirror, "shift": shift}
"""Name to a function from images (n, H, W, C) in [0, 1] to images of the same shape."""


def changes(text: str) -> tuple[str, ...]:
    """The names in "mirror,shift", in the order of the table; () of "none".

    Raises:
        UsageError: There is no change of that name.
    """
    names = text.split(",") if isinstance(text, str) else []
    if names == [NONE]:
        return ()
    if not names or len({*names}) < len(names) or not {*names} <= CHANGES.keys():
        raise UsageError(f"augment is {text!r}; give {', '.join(CHANGES)}, both with a comma, or {NONE}")
    return tuple(name for name in CHANGES if name in names)


def augmented(images: Floats, names: tuple[str, ...], generator: np.random.Generator) -> Floats:
    """Images changed at random in each of these ways, one after the other."""
    for name in names:
        images = CHANGES[name](images, generator)
    return images
