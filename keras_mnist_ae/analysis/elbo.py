"""How likely a variational autoencoder finds images: the evidence lower bound, and the tighter
bound of importance sampling.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Advance, Images, chunks

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder

Double = NDArray[np.float64]


def evidence(
    model: "Autoencoder",
    images: Images,
    likelihood: str,
    samples: int = 0,
    seed: int = 0,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Means over uint8 images of shape (n, H, W, C), in nats per image: `negative_elbo` and its
    parts `reconstruction` (of one sampled code) and `kl`; with `samples`, also
    `negative_log_likelihood`, the importance-weighted bound of so many (Burda et al. 2016): -log of
    the mean of p(x | z) p(z) / q(z | x).

    The likelihood "gaussian" has one `variance` for all images and codes, the mean squared error of
    one sampled code each.
    """
    from keras import ops

    from ..models.losses import negative_log_likelihood

    variance = _variance(model, images, seed) if likelihood == "gaussian" else None
    found: list[Double] = []
    for number, chunk in enumerate(chunks(images, advance)):
        generator = np.random.default_rng((seed, number))
        mean, log_variance = (np.asarray(part, np.float64) for part in model.encoder.predict_on_batch(chunk))
        divergence = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1)
        weights = np.empty((max(samples, 1), len(chunk)))
        reconstruction = np.empty(0)
        for sample in range(len(weights)):
            noise = generator.standard_normal(mean.shape)
            code = mean + np.exp(0.5 * log_variance) * noise
            given, decoded = map(
                ops.convert_to_tensor, (chunk, model.decoder.predict_on_batch(code.astype(np.float32)))
            )
            unlikely = np.asarray(
                ops.convert_to_numpy(negative_log_likelihood(likelihood, given, decoded, variance)),
                np.float64,
            )
            reconstruction = unlikely if sample == 0 else reconstruction
            # log p(z) - log q(z | x): what the two normal densities have in common goes out
            weights[sample] = -unlikely + 0.5 * (noise**2 + log_variance - code**2).sum(axis=1)
        highest = weights.max(axis=0)
        tight = -(highest + np.log(np.exp(weights - highest).mean(axis=0)))
        found.append(np.stack([reconstruction, divergence, tight]))
    reconstructed, kl, bound = (float(part.mean()) for part in np.concatenate(found, axis=1))
    told = {
        "likelihood": likelihood,
        "negative_elbo": reconstructed + kl,
        "reconstruction": reconstructed,
        "kl": kl,
        **({"variance": variance} if variance else {}),
    }
    return {**told, "samples": samples, "negative_log_likelihood": bound} if samples else told


def _variance(model: "Autoencoder", images: Images, seed: int) -> float:
    """Mean squared error of the first sampled code of each image, as `evidence` samples it."""
    total = 0.0
    for number, chunk in enumerate(chunks(images)):
        generator = np.random.default_rng((seed, number))
        mean, log_variance = (np.asarray(part, np.float64) for part in model.encoder.predict_on_batch(chunk))
        code = mean + np.exp(0.5 * log_variance) * generator.standard_normal(mean.shape)
        decoded = np.asarray(model.decoder.predict_on_batch(code.astype(np.float32)), np.float64)
        total += float(np.square(chunk - decoded).mean(axis=(1, 2, 3)).sum())
    return total / len(images) + 1e-8
