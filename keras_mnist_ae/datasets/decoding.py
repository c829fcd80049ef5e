"""One encoded picture as the image that a model takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .opening import opened
from .reading import Fit, Reading
from .resize import fitted, pixels, upright

if TYPE_CHECKING:
    from .opening import Picture


@dataclass(frozen=True)
class Decoder:
    """From a file or stream to uint8 of `shape` (H, W, C). It can be sent to another process.

    Args:
        shape: of the images; pictures of another size are refused unless `reading` has a size.
        reading: how they are read.

    Raises:
        ValueError: The picture has another size, too many pixels, or numbers out of range.
    """

    shape: tuple[int, int, int]
    reading: Reading

    def __call__(self, content: "Path | IO[bytes]") -> NDArray[np.uint8]:
        with opened(content, self.reading.size) as picture:
            return self.image(picture)

    def image(self, picture: "Picture") -> NDArray[np.uint8]:
        """Of an opened picture. Raises as above."""
        from PIL import Image

        height, width, channels = self.shape
        asked = self.reading
        ready = upright(picture, channels, asked)
        if not asked.size and ready.size != (width, height):
            raise ValueError(
                f"it is {ready.height}x{ready.width}, not {height}x{width}; fit them: --resize SIZE"
            )
        if asked.invert:  # before bars are added, which are black
            ready = Image.fromarray(255 - np.asarray(ready))
        return pixels(fitted(ready, Fit(height, width), asked.mode))
