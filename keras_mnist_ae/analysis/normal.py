"""What scores know of normal images: means and covariances of the training images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Advance, Images, chunks
from . import pca
from .bound import squared_errors
from .codec import Codec
from .scores import CELLS, Inputs, Statistics, computed
from .structure import pooled, ssim_map

Double = NDArray[np.float64]

COMPONENTS = 32  # of the PCA that needs no training
FITTED = 10_000  # training images that are encoded and decoded for the statistics, at most
REFERENCES = 5_000  # training images among which neighbours are looked for, at most
SHRINKAGE = 0.05  # of a covariance towards a multiple of the identity


def fit(
    codec: Codec, train: Images, advance: Advance | None = None, likelihood: str | None = None
) -> Statistics:
    """The statistics of training images.

    Images that a threshold is calibrated on have no part in them: what `conformal` promises holds
    for scores that treat calibration images and others alike.

    Args:
        codec: the autoencoder.
        train: uint8 (n, H, W, C), at least 2.
        advance: called after each chunk with the number of images in it.
        likelihood: of the pixels of a variational model, "bernoulli" or "gaussian".
    """
    codes, cells, errors = [], [], []
    for inputs in _inputs(codec, _spread(train, FITTED), advance):
        codes.append(inputs.codes.astype(np.float64))
        cells.append(pooled(ssim_map(inputs.images, inputs.reconstructions), CELLS))
        squares = np.square(inputs.images.astype(np.float64) - inputs.reconstructions)
        errors.append(squares.reshape(len(squares), -1).mean(axis=1))
    code_mean, code_precision = _gaussian(np.concatenate(codes))
    structure_mean, structure_precision = _gaussian(np.concatenate(cells))
    difference = np.concatenate(codes) - code_mean
    distances = np.sum(difference @ code_precision * difference, axis=1) / difference.shape[1]
    linear = pca.fit(train, COMPONENTS)
    return Statistics(
        code_mean=code_mean,
        code_precision=code_precision,
        error=_moments(np.concatenate(errors)),
        distance=_moments(distances),
        structure_mean=structure_mean,
        structure_precision=structure_precision,
        pca_mean=linear.mean,
        pca_components=linear.components,
        references=np.ascontiguousarray(_spread(train, REFERENCES).reshape(-1, train[0].size)),
        pixel_variance=np.array([_pixel_variance(codec, train) if likelihood == "gaussian" else 0.0]),
    )


def scored(
    codec: Codec,
    images: Images,
    statistics: Statistics,
    names: tuple[str, ...],
    advance: Advance | None = None,
) -> dict[str, Double]:
    """Scores of uint8 images (n, H, W, C) by name, each (n,); a chunk in memory at a time."""
    values: dict[str, list[Double]] = {name: [] for name in names}
    for chunk in chunks(images, advance):
        for name, part in computed(codec, chunk, statistics, names)[0].items():
            values[name].append(part)
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _pixel_variance(codec: Codec, train: Images) -> float:
    errors = [squared_errors(codec, chunk) for chunk in chunks(_spread(train, FITTED))]
    return float(np.concatenate(errors).mean()) + 1e-8  # as `elbo.evidence` has it


def _inputs(codec: Codec, images: Images, advance: Advance | None) -> Iterator[Inputs]:
    for chunk in chunks(images, advance):
        outputs = codec.encode(chunk)
        yield Inputs(chunk, codec.decode(outputs), outputs[0])


def _spread(images: Images, most: int) -> Images:
    """At most so many images, from all over the set."""
    spread: Images = images[:: -(-len(images) // most)]
    return spread


def _gaussian(values: Double) -> tuple[Double, Double]:
    """Mean (d,) and inverse covariance (d, d) of vectors (n, d), the covariance shrunk."""
    covariance: Double = np.atleast_2d(np.cov(values, rowvar=False))
    scale = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * scale * np.eye(len(covariance))
    return values.mean(axis=0), np.linalg.inv(shrunk).astype(np.float64)


def _moments(values: Double) -> Double:
    return np.array([values.mean(), values.var()])
