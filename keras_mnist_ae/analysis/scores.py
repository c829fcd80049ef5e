"""How strange an image is to an autoencoder: one table of scores, of which larger is stranger.

A score is a row of `SCORES`, computed from an image, its reconstruction and its code, and from
`Statistics` of normal images.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Advance, Images, chunks, to_float
from . import metrics, pca
from .codec import Codec

Double = NDArray[np.float64]

COMPONENTS = 32  # of the PCA that needs no training
NEIGHBOURS = 5
REFERENCES = 5000  # training images among which neighbours are looked for, at most
WINDOW = 5  # pixels of a side of the patch
SHRINKAGE = 0.05  # of the codes' covariance towards a multiple of the identity


@dataclass(frozen=True)
class Statistics:
    """What scores know of normal images.

    `code_mean` (d,) and `code_precision` (d, d) are of training codes; `error` and `distance` hold
    mean and variance of the squared error and of the codes' Mahalanobis distance on images that
    training has not seen; `pca_mean` (pixels,), `pca_components` (pixels, k) and `references`
    (n, pixels) are of training images.
    """

    code_mean: Double
    code_precision: Double
    error: Double
    distance: Double
    pca_mean: Double
    pca_components: Double
    references: NDArray[np.uint8]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The statistics by name, for a .npz file."""
        return dict(vars(self))


@dataclass(frozen=True)
class Inputs:
    """Images and reconstructions (n, H, W, C) in [0, 1], and codes (n, d)."""

    images: NDArray[np.float32]
    reconstructions: NDArray[np.float32]
    codes: NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """A measure of strangeness: its name, what it is, and its computation, (n,)."""

    name: str
    meaning: str
    compute: Callable[[Inputs, Statistics], Double]


def error(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean squared error per pixel."""
    return metrics.mse(inputs.images, inputs.reconstructions)


def structure(inputs: Inputs, statistics: Statistics) -> Double:
    """1 - SSIM (Wang et al. 2004)."""
    values: Double = 1 - metrics.ssim(inputs.images, inputs.reconstructions)
    return values


def patch(inputs: Inputs, statistics: Statistics) -> Double:
    """The largest mean squared error over a window of 5 x 5 pixels."""
    squares = error_map(inputs.images, inputs.reconstructions)
    side = min(WINDOW, *squares.shape[1:])
    windows = np.lib.stride_tricks.sliding_window_view(squares, (side, side), axis=(1, 2))
    largest: Double = windows.mean(axis=(3, 4)).max(axis=(1, 2))
    return largest


def distance(inputs: Inputs, statistics: Statistics) -> Double:
    """Squared Mahalanobis distance of the code from the training codes, per number of the code."""
    difference = inputs.codes.astype(np.float64) - statistics.code_mean
    product = np.einsum("nd,de,ne->n", difference, statistics.code_precision, difference)
    squares: Double = product / difference.shape[1]
    return squares


def likelihood(inputs: Inputs, statistics: Statistics) -> Double:
    """The negative log likelihood, up to a constant, of error and code together.

    Probabilistic PCA (Tipping and Bishop 1999) has -log p(x) = |r|^2 / (2 s^2) + z' C^-1 z / 2, a
    residual r beside a code z. For a non-linear code neither term has as many degrees of freedom as
    numbers: each is taken for a multiple of a chi-squared variable, whose k = 2 m^2 / v degrees of
    freedom follow from mean m and variance v on normal images (Satterthwaite 1946), so that a term
    t counts as k t / (2 m).
    """
    total = np.zeros(len(inputs.images))
    for term, (mean, variance) in (
        (error(inputs, statistics), statistics.error),
        (distance(inputs, statistics), statistics.distance),
    ):
        total += mean / max(variance, 1e-30) * term  # k / (2 m) is m / v
    return total


def linear(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean squared error of a PCA with 32 components, which needs no training."""
    flat = inputs.images.reshape(len(inputs.images), -1) - statistics.pca_mean
    residual = flat - flat @ statistics.pca_components @ statistics.pca_components.T
    means: Double = np.square(residual).mean(axis=1)
    return means


def neighbours(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean distance in pixels to the 5 nearest training images, which needs no training."""
    from .neighbours import nearest

    flat = inputs.images.reshape(len(inputs.images), -1).astype(np.float32)
    references = to_float(statistics.references)
    distances, _ = nearest(references, flat, min(NEIGHBOURS, len(references)))
    means: Double = distances.mean(axis=1)
    return means


SCORES: Mapping[str, Score] = {
    score.name: score
    for score in (
        Score("error+code", "negative log likelihood of error and code", likelihood),
        Score("error", "mean squared error", error),
        Score("ssim", "1 - SSIM", structure),
        Score("patch", "largest error of a 5 x 5 window", patch),
        Score("code", "Mahalanobis distance of the code", distance),
        Score("pca", "error of a PCA with 32 components", linear),
        Score("knn", "distance to the 5 nearest training images", neighbours),
    )
}
DEFAULT = "error+code"
UNTRAINED = ("pca", "knn")


def error_map(images: Images, reconstructions: Images) -> Double:
    """Squared error of each pixel, averaged over the channels: (n, H, W)."""
    squares: Double = np.square(images.astype(np.float64) - reconstructions).mean(axis=-1)
    return squares


def fit(codec: Codec, train: Images, normal: Images) -> Statistics:
    """The statistics of normal images.

    Args:
        train: the training images, uint8 (n, H, W, C).
        normal: images that training has not seen, for the usual size of errors and distances.
    """
    codes = np.concatenate([codec.encode(chunk)[0] for chunk in chunks(train)]).astype(np.float64)
    mean: Double = codes.mean(axis=0)
    covariance: Double = np.atleast_2d(np.cov(codes, rowvar=False))
    scale = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * scale * np.eye(len(covariance))
    linear_model = pca.fit(train, COMPONENTS)
    step = max(1, len(train) // REFERENCES)
    start = Statistics(
        mean,
        np.linalg.inv(shrunk).astype(np.float64),
        np.ones(2),
        np.ones(2),
        linear_model.mean,
        linear_model.components,
        np.ascontiguousarray(train[::step][:REFERENCES].reshape(-1, train[0].size)),
    )
    terms = scored(codec, normal, start, ["error", "code"])
    usual = {name: np.array([values.mean(), values.var()]) for name, values in terms.items()}
    return Statistics(**{**vars(start), "error": usual["error"], "distance": usual["code"]})


def scored(
    codec: Codec,
    images: Images,
    statistics: Statistics,
    names: list[str],
    advance: Advance | None = None,
) -> dict[str, Double]:
    """Scores of uint8 images (n, H, W, C) by name, each (n,)."""
    values: dict[str, list[Double]] = {name: [] for name in names}
    for chunk in chunks(images, advance):
        outputs = codec.encode(chunk)
        inputs = Inputs(chunk, codec.decode(outputs), outputs[0])
        for name in names:
            values[name].append(SCORES[name].compute(inputs, statistics))
    return {name: np.concatenate(parts) for name, parts in values.items()}
