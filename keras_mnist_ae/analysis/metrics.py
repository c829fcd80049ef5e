"""Reconstruction errors: one table of metrics, measured per image, averaged with intervals.

A metric is a row of `METRICS`. Whatever prints or stores metrics reads that table.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.dataset import Split
from ..datasets.images import Advance, Images, chunks
from ..datasets.noise import Chance, Corruption
from .structure import ssim_map

LEAST_MSE = 1e-10  # a smaller error counts as this: PSNR stays finite, at most 100 dB
RESAMPLES = 1000
CONFIDENCE = 0.95

Reconstruct = Callable[[Images], Images]
"""From float32 images of shape (n, H, W, C) in [0, 1] to reconstructions of the same shape."""
PerImage = NDArray[np.float64]
"""A number per image, of shape (n,)."""


@dataclass(frozen=True)
class Metric:
    """A number that says how far reconstructions are from the images.

    Either `per_image`, from images and reconstructions, both (n, H, W, C) in [0, 1], to an error
    per image, of which the mean is taken; or `of_means`, from those means to a number.
    """

    key: str
    label: str
    form: str
    meaning: str
    per_image: Callable[[Images, Images], PerImage] | None = None
    of_means: Callable[[Mapping[str, float]], float] | None = None

    def show(self, value: float) -> str:
        """The value as text with its unit."""
        return self.form.format(value)


def mse(images: Images, reconstructions: Images) -> PerImage:
    """Mean squared error per pixel."""
    return _mean(np.square(_difference(images, reconstructions)))


def mae(images: Images, reconstructions: Images) -> PerImage:
    """Mean absolute error per pixel."""
    return _mean(np.abs(_difference(images, reconstructions)))


def psnr(images: Images, reconstructions: Images) -> PerImage:
    """Peak signal-to-noise ratio, 10 log10(1 / mse), in dB."""
    decibels: PerImage = _decibels(mse(images, reconstructions))
    return decibels


def ssim(images: Images, reconstructions: Images) -> PerImage:
    """Structural similarity (Wang et al. 2004), as scikit-image has it with its defaults and a data
    range of 1: the mean of `ssim_map`.
    """
    values: PerImage = ssim_map(images, reconstructions).mean(axis=(1, 2))
    return values


METRICS = (
    Metric("mse", "MSE", "{:.5f}", "mean over the images", per_image=mse),
    Metric(
        "rmse",
        "RMSE",
        "{:.5f}",
        "root of that mean",
        of_means=lambda means: math.sqrt(means["mse"]),
    ),
    Metric("mae", "MAE", "{:.5f}", "mean over the images", per_image=mae),
    Metric("psnr", "PSNR", "{:.2f} dB", "mean over the images", per_image=psnr),
    Metric(
        "psnr_of_mean_mse",
        "PSNR",
        "{:.2f} dB",
        "of the mean MSE",
        of_means=lambda means: float(_decibels(means["mse"])),
    ),
    Metric("ssim", "SSIM", "{:.4f}", "mean over the images", per_image=ssim),
)


def measure(
    images: Images | Split, reconstruct: Reconstruct, advance: Advance | None = None
) -> dict[str, PerImage]:
    """Every metric of `METRICS` that images have one by one, float64 of shape (n,), by key.

    Args:
        images: uint8 of shape (n, H, W, C); the errors are to the targets that a split has.
        advance: called after each chunk with the number of images in it.
    """
    metrics = {metric.key: metric.per_image for metric in METRICS if metric.per_image}
    values: dict[str, list[PerImage]] = {key: [] for key in metrics}
    for chunk, wanted in pairs(images, advance):
        reconstructions = reconstruct(chunk)
        for key, per_image in metrics.items():
            values[key].append(per_image(wanted, reconstructions))
    return {key: np.concatenate(parts) for key, parts in values.items()}


def summary(per_image: Mapping[str, PerImage]) -> dict[str, Any]:
    """`n`, the number of images, and every metric over them."""
    means = {key: float(values.mean()) for key, values in per_image.items()}
    return {"n": len(per_image["mse"]), **_of_means(means)}


def intervals(per_image: Mapping[str, PerImage]) -> dict[str, list[float]]:
    """The 95 % percentile bootstrap interval of each metric (Efron 1979): the images are drawn
    anew, with replacement, 1,000 times.
    """
    values = np.stack(list(per_image.values()), axis=1)
    generator = np.random.default_rng(0)
    draws = (generator.integers(0, len(values), len(values)) for _ in range(RESAMPLES))
    means = np.stack([values[draw].mean(axis=0) for draw in draws])
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        _of_means(dict(zip(per_image, map(float, edge), strict=True)))
        for edge in np.quantile(means, [tail, 1 - tail], axis=0)
    )
    return {key: sorted([low[key], high[key]]) for key in low}


def squared_errors(images: Images | Split, reconstruct: Reconstruct) -> PerImage:
    """The `mse` of each of some uint8 images, to the targets that a split has, without the other
    metrics.
    """
    return np.concatenate([mse(wanted, reconstruct(chunk)) for chunk, wanted in pairs(images)])


def pairs(images: Images | Split, advance: Advance | None = None) -> Iterator[tuple[Images, Images]]:
    """What goes in and what is to come out, float32 in [0, 1], a chunk at a time."""
    split = images if isinstance(images, Split) else Split(images, None)
    if split.targets is None:
        yield from ((chunk, chunk) for chunk in chunks(split.images, advance))
    else:
        yield from zip(chunks(split.images, advance), chunks(split.targets), strict=True)


def noisy_error(images: Images, reconstruct: Reconstruct, noise: Corruption, seed: int) -> float:
    """Mean squared error of reconstructions of noisy images against the images without noise."""
    corrupt = Chance(seed, noise)
    errors = [
        mse(chunk, reconstruct(corrupt(chunk, 0, number, 0))) for number, chunk in enumerate(chunks(images))
    ]
    return float(np.concatenate(errors).mean())


def _of_means(means: Mapping[str, float]) -> dict[str, float]:
    return {
        metric.key: metric.of_means(means) if metric.of_means else means[metric.key] for metric in METRICS
    }


def _difference(images: Images, reconstructions: Images) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = images.astype(np.float64) - reconstructions
    return difference


def _mean(errors: NDArray[np.float64]) -> PerImage:
    means: PerImage = errors.reshape(len(errors), -1).mean(axis=1)
    return means


def _decibels(error: Any) -> Any:
    return -10 * np.log10(np.maximum(error, LEAST_MSE))
