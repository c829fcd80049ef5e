"""Sets of uint8 images as float32 in [0, 1], a chunk at a time: the memory stays bounded, whatever
the size of the set.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..system import signals

CHUNK = 1000  # images at once, of 28 x 28 pixels

Images = NDArray[Any]
Advance = Callable[[int], object]  # told of so many images done


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 images to float32 in [0, 1]."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def chunk_size(images: Images) -> int:
    """How many of the images, of shape (n, H, W, C), a chunk holds: as many pixels, whatever their
    size.
    """
    return int(np.clip(CHUNK * 28 * 28 // np.prod(images.shape[1:]), 1, CHUNK))


def chunks(images: Images, advance: Advance | None = None) -> Iterator[Images]:
    """The images as float32 in [0, 1], a chunk at a time; `advance` is called after each."""
    size = chunk_size(images)
    for start in range(0, len(images), size):
        signals.check()
        chunk = to_float(images[start : start + size])
        yield chunk
        if advance:
            advance(len(chunk))
