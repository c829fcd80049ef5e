"""How strange an image is to an autoencoder: one table of scores, of which larger is stranger.

A score is a row of `SCORES`, computed with numpy alone from an image, its reconstruction and its
code, and from `Statistics` of the images that were trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Images, to_float
from .bound import negative_elbo
from .codec import Codec
from .structure import pooled, ssim_map

Double = NDArray[np.float64]

NEIGHBOURS = 5
WINDOW = 5  # pixels of a side of the patch
CELLS = 8  # of a side of the grid of `structure`


@dataclass(frozen=True)
class Statistics:
    """What scores know of the training images.

    `code_mean` (d,) and `code_precision` (d, d) are of the codes, `structure_mean` (k,) and
    `structure_precision` (k, k) of the structural similarities in a grid; `error` and `distance`
    hold mean and variance of the squared error and of the codes' Mahalanobis distance; `pca_mean`
    (pixels,), `pca_components` (pixels, c) and `references` (n, pixels) are of the images
    themselves; `pixel_variance` (1,) is that of a variational model's Gaussian likelihood, 0 for
    Bernoulli's.
    """

    code_mean: Double
    code_precision: Double
    error: Double
    distance: Double
    structure_mean: Double
    structure_precision: Double
    pca_mean: Double
    pca_components: Double
    references: NDArray[np.uint8]
    pixel_variance: Double = field(default_factory=lambda: np.zeros(1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The statistics by name, for a .npz file."""
        return dict(vars(self))


@dataclass(frozen=True)
class Inputs:
    """Images and reconstructions (n, H, W, C) in [0, 1], codes (n, d), empty where no score needs
    them, and what made them.
    """

    images: NDArray[np.float32]
    reconstructions: NDArray[np.float32]
    codes: NDArray[np.float32]
    codec: Codec | None = None


@dataclass(frozen=True)
class Score:
    """A measure of strangeness: its name, what it is, its computation, float64 (n,), and whether it
    needs the codes.
    """

    name: str
    meaning: str
    compute: Callable[[Inputs, Statistics], Double]
    of_codes: bool = False


def structure(inputs: Inputs, statistics: Statistics) -> Double:
    """Squared Mahalanobis distance of the structural similarities of image and reconstruction in a
    grid of 8 x 8 cells from those of the training images, per cell.

    Derivation. A squared error e = |x - x'|^2 is the negative log likelihood of x under noise of
    one variance everywhere. But what a network leaves out grows with how much there is in a
    picture, so a plain picture has a small error whatever it shows, and a fault counts as much
    where the picture always errs as where it never does. Both are put right in turn. SSIM (Wang et
    al. 2004) divides the products of each window by its energy: for windows of equal mean
    1 - SSIM = |r|^2 / (|x|^2 + |x'|^2 + c), r being the difference without its mean, an error
    relative to what is there, down to a floor c. Its means s over a grid are then taken as normally
    distributed on normal images, with the mean m and covariance S of the training images:
    -log p(s) = (s - m)' S^-1 (s - m) / 2 + const. The score is that, per cell and without the half.
    """
    cells = pooled(ssim_map(inputs.images, inputs.reconstructions), CELLS)
    return _mahalanobis(cells, statistics.structure_mean, statistics.structure_precision)


def error(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean squared error per pixel."""
    squares = np.square(inputs.images.astype(np.float64) - inputs.reconstructions)
    means: Double = squares.reshape(len(squares), -1).mean(axis=1)
    return means


def dissimilarity(inputs: Inputs, statistics: Statistics) -> Double:
    """1 - SSIM (Wang et al. 2004), over windows of 7 x 7 pixels."""
    values: Double = 1 - ssim_map(inputs.images, inputs.reconstructions).mean(axis=(1, 2))
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
    return _mahalanobis(inputs.codes.astype(np.float64), statistics.code_mean, statistics.code_precision)


def likelihood(inputs: Inputs, statistics: Statistics) -> Double:
    """The negative log likelihood, up to a constant, of error and code together.

    Probabilistic PCA (Tipping and Bishop 1999) has -log p(x) = |r|^2 / (2 s^2) + z' C^-1 z / 2, a
    residual r beside a code z. For a non-linear code neither term has as many degrees of freedom as
    numbers: each is taken for a multiple of a chi-squared variable, whose k = 2 m^2 / v degrees of
    freedom follow from mean m and variance v on training images (Satterthwaite 1946), so that a
    term t counts as k t / (2 m).
    """
    total = np.zeros(len(inputs.images))
    for term, (mean, variance) in (
        (error(inputs, statistics), statistics.error),
        (distance(inputs, statistics), statistics.distance),
    ):
        total += mean / max(variance, 1e-30) * term  # k / (2 m) is m / v
    return total


def elbo(inputs: Inputs, statistics: Statistics) -> Double:
    """The negative evidence lower bound of a variational model in nats: see `bound`."""
    if inputs.codec is None:
        raise TypeError("a bound needs the model, not its outputs alone")
    return negative_elbo(inputs.codec, inputs.images, float(statistics.pixel_variance[0]))


def linear(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean squared error of a PCA with 32 components, which needs no training."""
    flat = inputs.images.reshape(len(inputs.images), -1) - statistics.pca_mean
    residual = flat - flat @ statistics.pca_components @ statistics.pca_components.T
    means: Double = np.square(residual).mean(axis=1)
    return means


def neighbours(inputs: Inputs, statistics: Statistics) -> Double:
    """Mean distance in pixels to the 5 nearest training images, which needs no training."""
    flat = inputs.images.reshape(len(inputs.images), -1).astype(np.float32)
    references = to_float(statistics.references)
    lengths = (
        np.square(flat, dtype=np.float64).sum(axis=1),
        np.square(references, dtype=np.float64).sum(axis=1),
    )
    squares = lengths[0][:, np.newaxis] + lengths[1] - 2 * (flat @ references.T).astype(np.float64)
    count = min(NEIGHBOURS, len(references))
    nearest = np.partition(squares, count - 1, axis=1)[:, :count]
    means: Double = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return means


SCORES: Mapping[str, Score] = {
    score.name: score
    for score in (
        Score("structure", "distance of the local structural similarity from the usual", structure),
        Score("error+code", "negative log likelihood of error and code", likelihood, of_codes=True),
        Score("error", "mean squared error", error),
        Score("ssim", "1 - SSIM", dissimilarity),
        Score("patch", "largest error of a 5 x 5 window", patch),
        Score("code", "Mahalanobis distance of the code", distance, of_codes=True),
        Score("elbo", "negative evidence lower bound in nats", elbo),
        Score("pca", "error of a PCA with 32 components", linear),
        Score("knn", "distance to the 5 nearest training images", neighbours),
    )
}
DEFAULT = "structure"
UNTRAINED = ("pca", "knn")
VARIATIONAL = ("elbo",)  # of variational variants alone


def error_map(images: Images, reconstructions: Images) -> Double:
    """Squared error of each pixel, averaged over the channels: (n, H, W).

    Examples:
        >>> error_map(np.zeros((1, 2, 2, 3)), np.full((1, 2, 2, 3), 0.5)).tolist()
        [[[0.25, 0.25], [0.25, 0.25]]]
    """
    squares: Double = np.square(images.astype(np.float64) - reconstructions).mean(axis=-1)
    return squares


def computed(
    codec: Codec, images: NDArray[np.float32], statistics: Statistics, names: tuple[str, ...]
) -> tuple[dict[str, Double], Inputs]:
    """Scores by name, each (n,), of images (n, H, W, C) in [0, 1], and what they come from."""
    inputs = modelled(codec, images, names)
    return {name: SCORES[name].compute(inputs, statistics) for name in names}, inputs


def modelled(codec: Codec, images: NDArray[np.float32], names: tuple[str, ...]) -> Inputs:
    """What scores of these names need of a model."""
    if any(SCORES[name].of_codes for name in names):
        outputs = codec.encode(images)
        return Inputs(images, codec.decode(outputs), outputs[0], codec)
    return Inputs(images, codec.reconstruct(images), np.empty((len(images), 0), np.float32), codec)


def _mahalanobis(values: Double, mean: Double, precision: Double) -> Double:
    """Squared, per number: (n, d) to (n,)."""
    difference = values - mean
    squares: Double = np.sum(difference @ precision * difference, axis=1) / difference.shape[1]
    return squares
