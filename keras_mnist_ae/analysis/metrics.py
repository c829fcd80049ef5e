"""How good the reconstructions are: errors per image, their means with intervals, by class, and
beside what needs no training.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..architecture.variant import Variant
from ..datasets.catalog import Dataset, Split
from ..datasets.images import Advance, Images, chunks
from ..datasets.noise import Chance, Corruption
from . import pca

MEASURES = ("mse", "mae", "psnr", "ssim")
LEAST_MSE = 1e-10  # a reconstruction better than this counts as this: PSNR stays a number, at most 100 dB
WORST = 10
RESAMPLES = 1000
CONFIDENCE = 0.95

Reconstruct = Callable[[Images], Images]
PerImage = dict[str, NDArray[np.float64]]


def evaluate(
    data: Dataset, split: str, reconstruct: Reconstruct, variant: Variant, advance: Advance | None = None
) -> dict[str, Any]:
    """Everything `kae evaluate` tells, ready for JSON: errors per pixel on [0, 1] over the split
    "train" or "test".

    `mse`, `mae`, `psnr` (dB) and `ssim` are means over the images; `rmse` and `psnr_of_mean_mse`
    are made of the mean of all squared errors. `intervals` holds a 95 % bootstrap interval of each,
    `per_class` the same numbers by class, `worst` the images with the largest errors, `compression`
    the size of the code. `pca_mse` and `mean_image_mse` are the errors of a PCA and of the mean
    image, both fitted on the training images; `pca_components` is as many as the code has numbers,
    fewer where those images vary in fewer directions; `pca_images` of them were taken for the PCA.
    """
    chosen: Split = getattr(data, split)
    per_image = measure(chosen.images, reconstruct, advance)
    linear = pca.fit(data.train.images, variant.latent)
    mean = linear.mean.reshape(data.train.images.shape[1:])
    return {
        **summary(per_image),
        "intervals": intervals(per_image),
        "per_class": _per_class(per_image, chosen.labels, data.classes),
        "worst": _worst(per_image, chosen.labels, data.classes),
        "compression": compression(variant),
        "pca_components": linear.components.shape[1],
        "pca_images": linear.fitted,
        "pca_mse": float(squared_errors(chosen.images, linear.reconstruct).mean()),
        "mean_image_mse": float(
            squared_errors(chosen.images, lambda images: np.broadcast_to(mean, images.shape)).mean()
        ),
    }


def measure(images: Images, reconstruct: Reconstruct, advance: Advance | None = None) -> PerImage:
    """`mse`, `mae`, `psnr` in dB and `ssim` of each image, float64 of shape (n,).

    `images` is uint8 of shape (n, H, W, C); `reconstruct` takes float32 images in [0, 1] and gives
    the same shape. PSNR is 10 log10(1 / mse). SSIM (Wang et al. 2004) is scikit-image's with its
    defaults, a uniform window of 7 x 7, and a data range of 1.
    """
    found = [_measured(chunk, reconstruct(chunk)) for chunk in chunks(images, advance)]
    return {name: np.concatenate([part[name] for part in found]) for name in MEASURES}


def squared_errors(images: Images, reconstruct: Reconstruct) -> NDArray[np.float64]:
    """The `mse` of `measure` alone."""
    return np.concatenate(
        [_mean(np.square(_difference(chunk, reconstruct(chunk)))) for chunk in chunks(images)]
    )


def noisy_error(images: Images, reconstruct: Reconstruct, noise: Corruption, seed: int) -> float:
    """The mean squared error against the images themselves when `reconstruct` is given them with
    noise, drawn from the seed.
    """
    drawn = Chance(seed, noise)
    errors = [
        _mean(np.square(_difference(chunk, reconstruct(drawn(chunk, 0, at, 0)))))
        for at, chunk in enumerate(chunks(images))
    ]
    return float(np.concatenate(errors).mean())


def summary(per_image: PerImage) -> dict[str, Any]:
    """`n` and the six figures of so many images."""
    return {
        "n": len(per_image["mse"]),
        **_figures({name: float(values.mean()) for name, values in per_image.items()}),
    }


def intervals(per_image: PerImage) -> dict[str, list[float]]:
    """The 95 % percentile bootstrap interval of each figure of `summary`: the images drawn anew,
    with replacement, 1,000 times.
    """
    values = np.stack([per_image[name] for name in MEASURES], axis=1)
    generator = np.random.default_rng(0)
    means = np.stack(
        [values[generator.integers(0, len(values), len(values))].mean(axis=0) for _ in range(RESAMPLES)]
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        _figures(dict(zip(MEASURES, map(float, edge), strict=True)))
        for edge in np.quantile(means, [tail, 1 - tail], axis=0)
    )
    return {name: sorted([low[name], high[name]]) for name in low}


def compression(variant: Variant) -> dict[str, Any]:
    """The size of image and code in bits: 8 a pixel, 32 a number of the code, 2 a pooling switch."""
    pixels, switches = math.prod(variant.image), sum(map(math.prod, variant.switches.values()))
    image, code = 8 * pixels, 32 * variant.latent + 2 * switches
    return {
        "pixels": pixels,
        "image_bits": image,
        "code_floats": variant.latent,
        "switch_bits": 2 * switches,
        "code_bits": code,
        "ratio": image / code,
    }


def _figures(means: dict[str, float]) -> dict[str, float]:
    return {
        "mse": means["mse"],
        "rmse": math.sqrt(means["mse"]),
        "mae": means["mae"],
        "psnr": means["psnr"],
        "psnr_of_mean_mse": float(_psnr(means["mse"])),
        "ssim": means["ssim"],
    }


def _per_class(
    per_image: PerImage, labels: Images | None, classes: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    if labels is None:
        return {}
    chosen = {name: labels == number for number, name in enumerate(classes)}
    return {
        name: summary({key: values[these] for key, values in per_image.items()})
        for name, these in chosen.items()
        if these.any()
    }


def _worst(per_image: PerImage, labels: Images | None, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    order = np.argsort(-per_image["mse"], kind="stable")[:WORST]
    named = [None if labels is None else classes[labels[index]] for index in order]
    return [
        {"index": int(index), "class": name, "mse": float(per_image["mse"][index])}
        for index, name in zip(order, named, strict=True)
    ]


def _measured(images: Images, reconstructions: Images) -> PerImage:
    from skimage.metrics import structural_similarity

    difference = _difference(images, reconstructions)
    mse = _mean(np.square(difference))
    pairs = zip(images, reconstructions.astype(np.float32, copy=False), strict=True)
    side = min(images.shape[1:3])
    window = min(7, side - 1 + side % 2)  # 7 x 7 (Wang et al. 2004), or the largest odd one that fits in
    similarity = partial(
        structural_similarity,
        data_range=1,
        channel_axis=-1,
        win_size=window,
        use_sample_covariance=window > 1,
    )
    ssim = np.array([similarity(image, other) for image, other in pairs], np.float64)
    return {"mse": mse, "mae": _mean(np.abs(difference)), "psnr": _psnr(mse), "ssim": ssim}


def _difference(images: Images, reconstructions: Images) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = images.astype(np.float64) - reconstructions
    return difference


def _mean(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = errors.reshape(len(errors), -1).mean(axis=1)
    return means


def _psnr(mse: Any) -> Any:
    return -10 * np.log10(np.maximum(mse, LEAST_MSE))
