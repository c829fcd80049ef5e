"""Grey images as samples of black and white ones, for likelihoods that compare with published ones.

A pixel of grey x in [0, 1] is 1 with probability x (Salakhutdinov and Murray 2008, "On the
quantitative analysis of deep belief networks").
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Split
from .mapped import filled

SEEDS = {"train": 0, "test": 1}


def drawn(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """Images in [0, 1] as samples of 0 and 1; those of 0 and 1 alone stay as they are."""
    return (generator.random(images.shape, np.float32) < images).astype(np.float32)


def binarized(data: Dataset, kind: str) -> Dataset:
    """The dataset in black and white, each image drawn once, the same for everyone.

    Args:
        data: grey or colour; colour channels are drawn apart.
        kind: "static" draws all images. "dynamic" draws the test images and those of a validation
            split, and leaves the others to be drawn anew at each step (`noise.Chance`).

    Examples:
        >>> import numpy as np
        >>> grey = np.full((60, 28, 28), 128, np.uint8)
        >>> np.unique(binarized(Dataset.from_arrays(grey), "static").test.images)
        array([  0, 255], dtype=uint8)
    """
    test = _drawn(data.test, SEEDS["test"], 0)
    stay = len(data.train.images) - data.validation if kind == "dynamic" else 0
    return dataclasses.replace(data, train=_drawn(data.train, SEEDS["train"], stay), test=test)


def _drawn(split: Split, seed: int, stay: int) -> Split:
    """The split with all but its first `stay` images drawn: each from its number, so that it does
    not depend on the others.
    """

    def image(number: int) -> NDArray[np.uint8]:
        grey: NDArray[np.uint8] = split.images[number]
        if number < stay:
            return grey
        chance = np.random.default_rng((seed, number)).random(grey.shape, np.float32)
        return np.where(chance * 255 < grey, 255, 0).astype(np.uint8)

    images = filled(split.images.shape, map(image, range(len(split.images))))
    images.flags.writeable = False
    return Split(images, split.labels)
