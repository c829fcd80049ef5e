"""Which random changes leave images of a set what they are, as far as a PCA can tell."""

import numpy as np

from ..datasets.augment import Augmentation
from ..datasets.images import Images, to_float
from . import pca

LOOKED_AT = 512  # images
FEWEST = 24
COMPONENTS = 32
SHARE = 10  # a shift is at most the tenth part of a side
FEW = 100  # images, of which chance tells more
TOLERATED = 1.1  # times the error of unchanged images: photographs 0.96 to 1.06, MNIST from 1.18 on
TOLERATED_OF_FEW = 1.04  # forty of MNIST come to 1.09 to 1.23
MIRRORED = 1.3  # of images that may be shifted, crops of one or two photographs among them: up to 1.26


def harmless(images: Images) -> Augmentation:
    """The changes after which a PCA of one half of the images reproduces the other half about as
    well as before: what is written or stands one way only is not mirrored.

    Args:
        images: uint8 of shape (n, H, W, C); of fewer than 24 nothing is known.
    """
    if len(images) < FEWEST:
        return Augmentation()
    looked_at = images[:LOOKED_AT]
    half, others = looked_at[::2], to_float(looked_at[1::2])
    linear = pca.fit(half, min(COMPONENTS, len(half) // 4))

    def error(given: Images) -> float:
        given = np.ascontiguousarray(given)
        return float(np.square(linear.reconstruct(given) - given).mean())

    unchanged = error(others)
    most = TOLERATED if len(images) >= FEW else TOLERATED_OF_FEW
    shift = max(1, min(images.shape[1:3]) // SHARE)
    moved = Augmentation(shift=shift)(others, np.random.default_rng(0))
    if error(moved) > most * unchanged:
        shift = 0
    mirrored = error(others[:, :, ::-1])
    return Augmentation(shift, mirrored <= (MIRRORED if shift else most) * unchanged)
