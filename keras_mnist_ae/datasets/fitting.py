"""Datasets whose images are made to fit a size, or have black and white exchanged."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import Decoded, content_sha256
from .dataset import Dataset, Split, of_decoded
from .mapped import filled
from .reading import Reading
from .resize import fitted_array


def fitted_dataset(data: Dataset, reading: Reading) -> Dataset:
    """The dataset with the size, the channels and the inversion that a reading asks for; the same
    object where nothing changes.
    """
    size, channels = reading.size, data.image_shape[0]
    wanted = (size.channels or channels, size.height, size.width) if size else data.image_shape
    if wanted == data.image_shape and not reading.invert:
        return data
    paired = data.train.targets is not None

    def image(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = 255 - pixels if reading.invert else pixels
        return fitted_array(pixels, size, reading.mode) if size else pixels

    def pixels(split: Split) -> Any:
        shape = len(split.images), *wanted[1:], wanted[0]
        if split.targets is None:
            return filled(shape, map(image, split.images))
        pairs = zip(map(image, split.images), map(image, split.targets), strict=True)
        return filled((*shape[:-1], 2 * shape[-1]), (np.concatenate(pair, axis=-1) for pair in pairs))

    arrays = (pixels(data.train), data.train.labels, pixels(data.test), data.test.labels)
    sha256, validation, depth = content_sha256(arrays), data.validation, data.depth
    content = Decoded(arrays, data.classes, sha256, validation=validation, depth=depth, paired=paired)
    return of_decoded(data.name, content)
