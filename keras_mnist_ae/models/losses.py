"""The parts of the evidence lower bound (Kingma and Welling 2014, "Auto-encoding variational
Bayes"), in nats per image.

-ELBO = -log p(x | z) + KL(q(z | x) || p(z)), with z = mean + exp(log_variance / 2) * noise; noise
and p(z) are standard normal.
"""

import math
from typing import Any

from keras import ops


def sample(mean: Any, log_variance: Any, noise: Any) -> Any:
    """Codes (n, d) of the distribution with that mean and variance, from standard normal noise of
    the same shape.
    """
    return mean + ops.exp(0.5 * log_variance) * noise


def divergence(mean: Any, log_variance: Any) -> Any:
    """KL(q || p) of each image, shape (n,): the sum over the code of (variance + mean^2 - 1 - log
    variance) / 2.
    """
    return 0.5 * ops.sum(ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance, axis=-1)


def negative_log_likelihood(likelihood: str, images: Any, means: Any) -> Any:
    """-log p(x | z) of each image, shape (n,), summed over pixels and channels.

    "bernoulli": -(x log y + (1 - x) log(1 - y)); pixels between 0 and 1 count as the mean of many
    draws. "gaussian": the normal density around y, whose variance, one number for the batch, is the
    one that fits best: its mean squared error (Rybkin et al. 2021, "Simple and effective VAE
    training with calibrated decoders").
    """
    pixels = tuple(range(1, len(images.shape)))
    if likelihood == "bernoulli":
        inside = 1e-6 + (1 - 2e-6) * means  # the logarithms stay finite
        return -ops.sum(images * ops.log(inside) + (1.0 - images) * ops.log(1.0 - inside), axis=pixels)
    squares = ops.square(images - means)
    variance = ops.mean(squares) + 1e-8
    return 0.5 * (
        ops.sum(squares, axis=pixels) / variance
        + math.prod(images.shape[1:]) * ops.log(2 * math.pi * variance)
    )
