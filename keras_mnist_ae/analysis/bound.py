"""The evidence lower bound image by image, with numpy alone, for scores from exports, too."""

import numpy as np
from numpy.typing import NDArray

from .codec import Codec

Double = NDArray[np.float64]

DRAWS = 8  # codes of each image, in pairs that mirror each other at the mean


def negative_elbo(codec: Codec, images: NDArray[np.float32], variance: float) -> Double:
    """-ELBO of each image in nats (Kingma and Welling 2014): KL(q(z | x) || p(z)) and, in the mean
    over 8 codes z drawn from q(z | x), -log p(x | z).

    The noise of the codes is the same for all images, so that the number of an image depends on
    that image alone.

    Args:
        codec: of a variational variant.
        images: (n, H, W, C) in [0, 1].
        variance: of the pixels, for the Gaussian likelihood; 0 means Bernoulli's.

    Returns:
        (n,)
    """
    mean, log_variance = _posterior(codec, images)
    divergence: Double = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1)
    unlikely = np.zeros(len(images))
    for noise in _noise(mean.shape[1]):
        decoded = _decoded(codec, mean, log_variance, noise)
        unlikely += _negative_log_likelihood(images, decoded, variance)
    return divergence + unlikely / DRAWS


def squared_errors(codec: Codec, images: NDArray[np.float32]) -> Double:
    """The mean squared error per pixel of each image over those codes: what the variance of the
    Gaussian likelihood is fitted to; (n,).
    """
    mean, log_variance = _posterior(codec, images)
    total = np.zeros(len(images))
    for noise in _noise(mean.shape[1]):
        total += np.square(images - _decoded(codec, mean, log_variance, noise)).mean(axis=(1, 2, 3))
    return total / DRAWS


def _posterior(codec: Codec, images: NDArray[np.float32]) -> tuple[Double, Double]:
    if codec.posterior is None:
        raise TypeError("the codec is not that of a variational variant")
    mean, log_variance = codec.posterior(images)
    return mean.astype(np.float64), log_variance.astype(np.float64)


def _noise(size: int) -> Double:
    """(8, size), each draw and its mirror image."""
    half = np.random.default_rng(0).standard_normal((DRAWS // 2, size))
    return np.concatenate([half, -half])


def _decoded(codec: Codec, mean: Double, log_variance: Double, noise: Double) -> Double:
    codes = (mean + np.exp(0.5 * log_variance) * noise).astype(np.float32)
    return codec.decode([codes]).astype(np.float64)


def _negative_log_likelihood(images: NDArray[np.float32], means: Double, variance: float) -> Double:
    """As `models.losses.negative_log_likelihood`: (n,), summed over pixels and channels."""
    if variance:
        squares = np.square(images - means).sum(axis=(1, 2, 3))
        total: Double = 0.5 * (squares / variance + images[0].size * np.log(2 * np.pi * variance))
        return total
    inside = 1e-6 + (1 - 2e-6) * means  # the logarithms stay finite
    logs = images * np.log(inside) + (1 - images.astype(np.float64)) * np.log(1 - inside)
    unlikely: Double = -logs.sum(axis=(1, 2, 3))
    return unlikely
