"""What needs no network, on the same images: a PCA of the same size, the mean image, nothing."""

from typing import Any

import numpy as np

from ..datasets.dataset import Dataset, Split
from ..datasets.images import Images, chunks
from . import pca
from .metrics import squared_errors


def baselines(data: Dataset, split: Split, latent: int) -> dict[str, Any]:
    """Mean squared errors of what was fitted on training images, on a split.

    Returns:
        `pca_mse`, of a PCA with `pca_components`, `latent` or fewer where the images vary in fewer
        directions; `mean_image_mse`; `pca_images`, how many training images both were fitted on;
        where a split has targets also `input_mse`, of the images as they go in.
    """
    linear = pca.fit(data.train.images, latent)
    mean = linear.mean.reshape(data.train.images.shape[1:])
    if data.train.targets is not None:
        mean = sum(chunk.sum(axis=0, dtype=np.float64) for chunk in chunks(data.train.targets))
        mean = mean / len(data.train.targets)

    def mean_image(chunk: Images) -> Images:
        return np.broadcast_to(mean, chunk.shape)

    errors = {
        "pca_mse": float(squared_errors(split, linear.reconstruct).mean()),
        "mean_image_mse": float(squared_errors(split, mean_image).mean()),
    }
    if split.targets is not None:
        errors["input_mse"] = float(squared_errors(split, lambda images: images).mean())
    return {"pca_components": linear.components.shape[1], "pca_images": linear.fitted, **errors}
