"""The parts of the evidence lower bound (Kingma and Welling 2014, "Auto-encoding variational
Bayes"), in nats per image.

-ELBO = -log p(x | z) + KL(q(z | x) || p(z)), with z = mean + exp(log_variance / 2) * noise; noise
and p(z) are standard normal. With K codes of each image the bound is tighter: -log of the mean of
p(x | z) p(z) / q(z | x) over them (Burda et al. 2016, "Importance weighted autoencoders").
"""

import math
from typing import Any

from keras import ops


def sample(mean: Any, log_variance: Any, noise: Any) -> Any:
    """Codes (n, d) of the distribution with that mean and variance, from standard normal noise of
    the same shape; from noise (n, k, d) k codes of each image, (n * k, d).
    """
    if len(noise.shape) == 2:
        return mean + ops.exp(0.5 * log_variance) * noise
    codes = mean[:, None] + ops.exp(0.5 * log_variance[:, None]) * noise
    return ops.reshape(codes, (-1, noise.shape[2]))


def divergence(mean: Any, log_variance: Any) -> Any:
    """KL(q || p) of each image, shape (n,): the sum over the code of (variance + mean^2 - 1 - log
    variance) / 2.
    """
    return 0.5 * ops.sum(ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance, axis=-1)


def log_ratio(log_variance: Any, noise: Any, codes: Any) -> Any:
    """log q(z | x) - log p(z) of the codes that `sample` makes of noise (n, k, d), shape (n, k); in
    the mean over many it is the divergence.
    """
    codes = ops.reshape(codes, (-1, *noise.shape[1:]))
    return 0.5 * ops.sum(ops.square(codes) - ops.square(noise) - log_variance[:, None], axis=-1)


def importance_bound(nll: Any, ratio: Any, weight: Any) -> Any:
    """-log of the mean over k codes of p(x | z) (p(z) / q(z | x))^weight of each image,
    shape (n,).

    Args:
        nll: -log p(x | z), shape (n, k).
        ratio: log q(z | x) - log p(z), shape (n, k).
        weight: that of the divergence, shape (n,).
    """
    logs = -(nll + ops.reshape(weight, (-1, 1)) * ratio)
    return math.log(nll.shape[1]) - ops.logsumexp(logs, axis=1)


def variational_loss(
    likelihood: str, images: Any, reconstructions: Any, kl: Any, weight: Any, ratio: Any = None
) -> tuple[Any, Any]:
    """Loss and -log p(x | z) of each image, both of shape (n,).

    Args:
        reconstructions: of one code of each image, (n, H, W, C), with `kl` and its `weight`, (n,);
            or of k of them, (n * k, H, W, C), with their `ratio` (n, k): then the loss is the
            importance-weighted bound, and -log p(x | z) the mean over the k.
    """
    if ratio is None:
        nll = negative_log_likelihood(likelihood, images, reconstructions)
        return nll + weight * kl, nll
    samples = ratio.shape[1]
    nll = negative_log_likelihood(likelihood, ops.repeat(images, samples, axis=0), reconstructions)
    nll = ops.reshape(nll, (-1, samples))
    return importance_bound(nll, ratio, weight), ops.mean(nll, axis=1)


def negative_log_likelihood(likelihood: str, images: Any, means: Any, variance: Any = None) -> Any:
    """-log p(x | z) of each image, shape (n,), summed over pixels and channels.

    "bernoulli": -(x log y + (1 - x) log(1 - y)); pixels between 0 and 1 count as the mean of many
    draws. "gaussian": the normal density around y, whose variance, one number for the batch, is the
    one that fits best unless it is given: its mean squared error (Rybkin et al. 2021, "Simple and
    effective VAE training with calibrated decoders").
    """
    pixels = tuple(range(1, len(images.shape)))
    if likelihood == "bernoulli":
        inside = 1e-6 + (1 - 2e-6) * means  # the logarithms stay finite
        return -ops.sum(images * ops.log(inside) + (1.0 - images) * ops.log(1.0 - inside), axis=pixels)
    squares = ops.square(images - means)
    variance = ops.mean(squares) + 1e-8 if variance is None else variance
    return 0.5 * (
        ops.sum(squares, axis=pixels) / variance
        + math.prod(images.shape[1:]) * ops.log(2 * math.pi * variance)
    )
