"""Training images moved and mirrored at random: the moved image is what goes in and what is to
come out.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

FAR = 999  # pixels of a shift, at most
NONE = "none"


@dataclass(frozen=True)
class Augmentation:
    """What is done to each image, drawn anew for each.

    Args:
        shift: moved by up to so many pixels, along and across, each distance as likely; what comes
            into view repeats the edge.
        flip: mirrored left to right, half of the images.

    Examples:
        >>> image = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
        >>> Augmentation(shift=1)(image, np.random.default_rng(2)).ravel()
        array([1., 2., 2.], dtype=float32)
    """

    shift: int = 0
    flip: bool = False

    def __call__(self, images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
        """Images (n, H, W, C) of the same shape."""
        count, height, width = images.shape[:3]
        down, right = generator.integers(-self.shift, self.shift + 1, (2, count, 1))
        rows = np.clip(np.arange(height) - down, 0, height - 1)  # (n, H): where each comes from
        columns = np.clip(np.arange(width) - right, 0, width - 1)
        if self.flip:
            columns = np.where(generator.random((count, 1)) < 0.5, columns[:, ::-1], columns)
        moved: NDArray[np.float32] = images[
            np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
        ]
        return moved

    def __str__(self) -> str:
        """As `augmentation` reads it."""
        shift = f"shift:{self.shift}" if self.shift else ""
        return ",".join(filter(None, (shift, "flip" if self.flip else ""))) or NONE

    def __bool__(self) -> bool:
        return self.shift > 0 or self.flip

    def check(self, height: int, width: int) -> None:
        """Raise `UsageError` where a shift could move most of such images out of view."""
        if self.shift > min(height, width) // 2:
            raise UsageError(
                f"augment shifts by up to {self.shift} pixels, more than half of images of "
                f"{height} x {width}; give at most shift:{min(height, width) // 2}"
            )


def augmentation(text: str) -> Augmentation:
    """shift:PIXELS, flip or both with a comma between, or none. Raises `UsageError`.

    Examples:
        >>> augmentation("shift:2,flip")
        Augmentation(shift=2, flip=True)
    """
    if text == NONE:
        return Augmentation()
    parts = text.split(",") if isinstance(text, str) else []
    shifts = [int(match[1]) for part in parts if (match := re.fullmatch(r"shift:(\d{1,3})", part))]
    flips = parts.count("flip")
    if not parts or len(shifts) + flips != len(parts) or max(len(shifts), flips) > 1 or 0 in shifts:
        raise UsageError(
            f"augment is {text!r}; give shift:PIXELS (from 1 to {FAR}), flip, shift:PIXELS,flip or {NONE}"
        )
    return Augmentation(shifts[0] if shifts else 0, bool(flips))
