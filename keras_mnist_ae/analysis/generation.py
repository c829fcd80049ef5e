"""New images from a density fitted on training codes, and paths between codes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Images, to_float
from .codec import Codec
from .latent import varied
from .neighbours import Codes, nearest
from .probes import quietly

Density = Literal["mixture", "gaussian", "prior"]
Fit = Callable[[Codes, Density], Any]
"""Fits a density, "mixture" or "gaussian", on codes (n, d): `fit_gaussians`, or what
keeps what that finds."""
COMPONENTS = 20  # of the mixture at most
FITTED = 20_000  # training codes at most: more change little and take minutes
CODES_PER_COMPONENT = 10  # and for each number of the code: so many codes a full covariance needs at least
TOLERANCE = 0.01  # of the log likelihood per code in a step, in nats, at which the fit ends
BORROWED = "borrowed from the training image whose code is nearest"


@dataclass(frozen=True)
class Generated:
    """`images` float32 of shape (n, H, W, C) and the `codes` (n, d) they were decoded from.

    `nearest` is the index of the training image nearest to each in pixels, `distances` the RMSE to
    it, both of shape (n,); `components` is the number of Gaussians.
    """

    images: Images
    codes: Codes
    nearest: NDArray[np.int64]
    distances: NDArray[np.float64]
    components: int


def generate(
    codec: Codec,
    train: Images,
    codes: Codes,
    count: int,
    density: Density = "mixture",
    seed: int = 0,
    fit: Fit | None = None,
) -> Generated:
    """New images, decoded from codes drawn from a density fitted on the `codes` of the `train`
    images, uint8 of shape (n, H, W, C).

    "mixture" is a Gaussian mixture (scikit-learn, full covariances, on at most 20,000 codes) with
    at most 20 components, fewer where codes are few, "gaussian" a single one; "prior" is the
    standard normal distribution that a variational variant was trained towards, and is not fitted.
    Pooling switches, which have no density, are borrowed from the training image whose code is
    nearest. Raises `ValidationError` when all codes are the same.
    """
    new, components = drawn(codes, count, density, seed, fit)
    images = decoded(codec, new, train, codes)
    distances, indices = nearest_images(train, images)
    return Generated(images, new, indices, distances, components)


def drawn(codes: Codes, count: int, density: Density, seed: int, fit: Fit | None = None) -> tuple[Codes, int]:
    """Codes (count, d) from a density that is fitted on others, or from the prior, and its number
    of components. The seed is that of the draws: the density is the same for each.
    """
    if density == "prior":
        return np.random.default_rng(seed).standard_normal((count, codes.shape[1]), np.float32), 1
    fitted = (fit or fit_gaussians)(codes, density)
    fitted.random_state = seed % 2**32
    new = fitted.sample(count)[0]
    np.random.default_rng(seed).shuffle(new)  # scikit-learn gives them component by component
    return new.astype(np.float32), len(fitted.weights_)


def fit_gaussians(codes: Codes, density: Density = "mixture") -> Any:
    """The Gaussian mixture of scikit-learn fitted on at most 20,000 codes of shape (n, d), with
    full covariances: one for "gaussian", else up to 20. Raises `ValidationError` when all codes are
    the same.
    """
    from sklearn.mixture import GaussianMixture

    some = varied(codes)[:FITTED].astype(np.float64)
    components = (
        max(1, min(COMPONENTS, len(some) // (CODES_PER_COMPONENT * some.shape[1])))
        if density == "mixture"
        else 1
    )
    floor = 1e-6 * some.var(axis=0).mean()  # a dead unit's variance is 0, which no Gaussian has
    with quietly():
        return GaussianMixture(components, tol=TOLERANCE, reg_covar=floor, random_state=0).fit(some)


def gaussians(weights: Codes, means: Codes, covariances: Codes) -> Any:
    """The Gaussian mixture of scikit-learn with these parameters, to draw from.

    Args:
        weights: of the k components, (k,).
        means: (k, d).
        covariances: (k, d, d).
    """
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(len(weights))
    mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, covariances
    return mixture


def decoded(codec: Codec, codes: Codes, train: Images, train_codes: Codes) -> Images:
    """Images of codes that come from no image; pooling switches that a decoder needs are those of
    the training image nearest in code.
    """
    switches = codec.encode(to_float(train[:1]))[1:]
    if not switches:
        return codec.decode([codes])
    _, indices = nearest(train_codes.astype(np.float32), codes)
    return codec.decode([codes, *codec.encode(to_float(train[indices[:, 0]]))[1:]])


def nearest_images(train: Images, images: Images) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """RMSE per pixel to the nearest training image of each, and its index; `train` uint8, `images`
    float in [0, 1].
    """
    flat, queries = (array.reshape(len(array), -1) for array in (to_float(train), images.astype(np.float32)))
    distances, indices = nearest(flat, queries)
    return distances[:, 0] / np.sqrt(flat.shape[1]), indices[:, 0]


def linear(start: Codes, end: Codes, steps: int) -> Codes:
    """The straight path between two points of shape (...), of shape (steps, ...)."""
    share = np.linspace(0, 1, steps).reshape(-1, *[1] * start.ndim)
    path: Codes = ((1 - share) * start + share * end).astype(np.float32)
    return path


def spherical(start: Codes, end: Codes, steps: int) -> Codes:
    """The path along the great circle (Shoemake 1985, White 2016) between two codes of shape (d,),
    its length growing linearly, (steps, d).

    Where the codes have one direction, or opposite ones, or one is zero, there is no such circle,
    and the path is straight.
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) == 0:
        return linear(start, end, steps)
    first, second = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(np.dot(first, second), -1, 1))
    if np.sin(angle) < 1e-6:
        return linear(start, end, steps)
    share = np.linspace(0, 1, steps)[:, np.newaxis]
    direction = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * second) / np.sin(angle)
    path: Codes = (direction * ((1 - share) * lengths[0] + share * lengths[1])).astype(np.float32)
    return path


def interpolate(codec: Codec, first: Images, second: Images, steps: int) -> dict[str, Images]:
    """Paths between two float images of shape (H, W, C), each of shape (steps, H, W, C): "linear"
    and "spherical" in the code, and the "cross-fade" of pixels. Pooling switches are those of the
    nearer end.
    """
    codes, *switches = codec.encode(np.stack([first, second]))
    end = (np.arange(steps) >= steps / 2).astype(int)

    def along(path: Codes) -> Any:
        return codec.decode([path, *(switch[end] for switch in switches)])

    return {
        "linear": along(linear(codes[0], codes[1], steps)),
        "spherical": along(spherical(codes[0], codes[1], steps)),
        "cross-fade": linear(first, second, steps),
    }
