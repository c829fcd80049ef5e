"""The evaluation of an autoencoder: its metrics beside those of a PCA of the same size."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..architecture.variant import Variant
from ..datasets.catalog import Dataset, Split
from ..datasets.images import Advance, Images
from . import metrics
from .baselines import baselines
from .metrics import PerImage, Reconstruct

WORST = 10


def evaluate(
    data: Dataset,
    split: str,
    reconstruct: Reconstruct,
    variant: Variant,
    advance: Advance | None = None,
) -> dict[str, Any]:
    """Errors per pixel on [0, 1] over the split "train" or "test", ready for JSON.

    Returns:
        `n` and every metric of `METRICS`; `intervals`, a 95 % bootstrap interval of each;
        `per_class`, the same numbers by class; `worst`, the images with the largest errors;
        `compression`, the size of the code in bits; the numbers of `baselines`.
    """
    images: Split = getattr(data, split)
    per_image = metrics.measure(images, reconstruct, advance)
    return {
        **metrics.summary(per_image),
        "intervals": metrics.intervals(per_image),
        "per_class": _per_class(per_image, images.labels, data.classes),
        "worst": _worst(per_image["mse"], images.labels, data.classes),
        "compression": compression(variant),
        **baselines(data, images, variant.latent),
    }


def compression(variant: Variant) -> dict[str, Any]:
    """Size of image and code in bits: 8 a pixel, 32 a number of the code, 2 a pooling switch."""
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


def _per_class(
    per_image: Mapping[str, PerImage], labels: Images | None, classes: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    if labels is None:
        return {}
    members = {name: labels == number for number, name in enumerate(classes)}
    return {
        name: metrics.summary({key: values[mask] for key, values in per_image.items()})
        for name, mask in members.items()
        if mask.any()
    }


def _worst(errors: PerImage, labels: Images | None, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    largest = np.argsort(-errors, kind="stable")[:WORST]
    return [
        {
            "index": int(index),
            "class": None if labels is None else classes[labels[index]],
            "mse": float(errors[index]),
        }
        for index in largest
    ]
