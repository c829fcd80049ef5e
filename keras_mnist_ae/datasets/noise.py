"""What training draws at random beside the order of the images: how they are moved, noise on them,
and the samples of a variational code.

All of it is drawn by numpy from (seed, epoch, number of the batch): the same on every backend, and
after a resume.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .augment import Augmentation
from .binarize import drawn
from .dataset import Split
from .images import to_float

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Corruption:
    """Noise on images in [0, 1], which stay there.

    "gaussian": normal, of standard deviation `amount`, then clipped. "mask": that share of the
    pixels is 0 (all channels; Vincent et al. 2008). "salt-pepper": that share is 0 or 1, as likely.
    """

    kind: str
    amount: float

    def __call__(self, images: Images, generator: np.random.Generator) -> Images:
        match self.kind:
            case "gaussian":
                noise = generator.standard_normal(images.shape, np.float32)
                return np.clip(images + np.float32(self.amount) * noise, 0, 1)
            case "mask":
                return images * (generator.random((*images.shape[:-1], 1), np.float32) >= self.amount)
            case _:
                place = generator.random((*images.shape[:-1], 1), np.float32)
                return np.where(place < self.amount, (place < self.amount / 2).astype(np.float32), images)


def corruption(text: str) -> Corruption:
    """KIND:AMOUNT, as in gaussian:0.3. Raises `UsageError`."""
    match = re.fullmatch(r"(gaussian|mask|salt-pepper):(\d*\.?\d+)", text) if isinstance(text, str) else None
    if not match or not 0 < (amount := float(match[2])) <= (10 if match[1] == "gaussian" else 1):
        raise UsageError(
            f"noise is {text!r}; give gaussian:DEVIATION (above 0, to 10), mask:SHARE or salt-pepper:SHARE "
            "(above 0, to 1)"
        )
    return Corruption(match[1], amount)


@dataclass(frozen=True)
class Chance:
    """What goes into a model in place of the images: with noise on them, and for a variational code
    of `latent` numbers the triple (images, standard normal noise (n, latent), weight of the
    divergence (n,)); with an `importance` above 1 noise for so many codes, (n, importance, latent).

    The weight is `beta`, or in the first `warm_up` steps what a line from 0 to it gives (Bowman et
    al. 2016).
    """

    seed: int
    noise: Corruption | None = None
    latent: int = 0
    beta: float = 1.0
    warm_up: int = 0
    binarize: bool = False
    augment: Augmentation | None = None
    importance: int = 1

    def targets(self, images: Images, epoch: int, batch: int) -> Images:
        """The images that are to come out: moved as `augment` says, then drawn as 0 and 1 where
        `binarize` says so.
        """
        if self.augment:
            images = self.augment(images, np.random.default_rng((self.seed, epoch, batch, 3)))
        if not self.binarize:
            return images
        return drawn(images, np.random.default_rng((self.seed, epoch, batch, 2)))

    def __call__(self, images: Images, epoch: int, batch: int, step: int) -> Any:
        """`batch` counts from 0 within an epoch, `step` over all of them."""
        generator = np.random.default_rng((self.seed, epoch, batch, 1))
        given = self.noise(images, generator) if self.noise else images
        if not self.latent:
            return given
        weight = self.beta * min(1.0, (step + 1) / self.warm_up) if self.warm_up else self.beta
        codes = (self.importance, self.latent) if self.importance > 1 else (self.latent,)
        return (
            given,
            generator.standard_normal((len(images), *codes), np.float32),
            np.full(len(images), weight, np.float32),
        )


def first_images(split: Split, count: int, noise: str | None, seed: int) -> tuple[Images, Images]:
    """The first images of a split as they are to come out and as they go in, float32: with noise of
    that kind drawn from the seed, or, without noise or other targets, the same array.
    """
    first = split.take(slice(count))
    wanted = to_float(first.wanted)
    if first.targets is not None:
        return wanted, to_float(first.images)
    return wanted, Chance(seed, corruption(noise))(wanted, 0, 0, 0) if noise else wanted
