"""How the error falls with the size of the code, and where its curve bends."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Advance, Images, chunks
from . import metrics
from .codec import Codec

Double = NDArray[np.float64]
RESAMPLES = 1000


def grid(largest: int) -> list[int]:
    """Sizes at which the error is measured: 1, 2, 3, 4, 6, 8, 12, 16, ... up to the largest.

    Examples:
        >>> grid(20)
        [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    steps = (step for power in range(largest.bit_length()) for step in (2**power, 3 * 2**power // 2))
    return sorted({step for step in steps if 0 < step < largest} | {largest})


def cut_errors(codec: Codec, images: Images, sizes: list[int], advance: Advance | None = None) -> Double:
    """The mean squared error of each of some uint8 images (n, H, W, C) from the first numbers of
    its code, the others being 0: (sizes, n).
    """
    found: list[list[Double]] = [[] for _ in sizes]
    for chunk in chunks(images, advance):
        codes = codec.encode(chunk)[0]
        for number, size in enumerate(sizes):
            cut = codes.copy()
            cut[:, size:] = 0
            found[number].append(metrics.mse(chunk, codec.decode([cut])))
    return np.stack([np.concatenate(parts) for parts in found])


def knee(sizes: list[int], errors: Double) -> int:
    """The size at which a falling curve lies farthest below the straight line between its ends,
    both axes from 0 to 1 ("Kneedle", Satopaa et al. 2011); between measured sizes the curve is
    straight.

    It depends on the largest size. A curve that never lies below that line bends nowhere: the
    largest.

    Examples:
        >>> knee([1, 2, 4, 8], np.array([1.0, 0.3, 0.2, 0.15]))
        2
    """
    if len(sizes) < 3 or errors[0] <= errors[-1]:
        return sizes[-1]
    every = np.arange(sizes[0], sizes[-1] + 1)
    curve = (np.interp(every, sizes, errors) - errors[-1]) / (errors[0] - errors[-1])
    below = 1 - (every - every[0]) / (every[-1] - every[0]) - curve
    return int(every[below.argmax()]) if below.max() > 0 else sizes[-1]


def knee_interval(sizes: list[int], errors: Double) -> list[int]:
    """The 95 % percentile bootstrap interval of the knee: images drawn anew, with replacement,
    1,000 times. How much it would change with another training it does not tell.

    Args:
        errors: of each size and image, (sizes, n).
    """
    generator = np.random.default_rng(0)
    count = errors.shape[1]
    draws = (np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(RESAMPLES))
    found = [knee(sizes, errors @ draw / count) for draw in draws]
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    return [int(low), int(high)]


def rows(sizes: list[int], seen: Double, test: Double, linear: Double, mean: float) -> list[dict[str, Any]]:
    """The curve, ready for JSON.

    Args:
        seen, test: errors per size of the images kept for the choice, and of the test images.
        linear: of the test images with a PCA of each size.
        mean: of the test images with the mean image, against which the explained share counts.
    """
    return [
        {
            "size": size,
            "validation_mse": float(a),
            "test_mse": float(b),
            "pca_mse": float(c),
            "explained": float(1 - b / mean),
        }
        for size, a, b, c in zip(sizes, seen, test, linear, strict=True)
    ]
