"""How good the reconstructions are. Takes functions from arrays to arrays, so that a Keras model and an ONNX graph meet the same code."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 1000  # images at once: bounds the memory, whatever the size of the set

Images = NDArray[Any]
Reconstruct = Callable[[Images], Images]


def to_float(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 images to float32 in [0, 1]."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def squared_errors(images: Images, reconstruct: Reconstruct) -> NDArray[np.float64]:
    """Mean squared error of each image on [0, 1], float64 of shape (n,).

    `images` is uint8 of shape (n, H, W, C); `reconstruct` takes float32 images in [0, 1] and gives the same shape.
    """
    return np.concatenate([_per_image(chunk, reconstruct(chunk)) for chunk in chunks(images)])


def pca_squared_errors(train: Images, test: Images, components: int) -> NDArray[np.float64]:
    """The same for a principal component analysis with that many components, fitted on `train`: what a linear code of that size can do.

    Exact: the components are the leading eigenvectors of the training pixels' covariance, in float64.
    """
    pixels = train[0].size
    total, products = np.zeros(pixels), np.zeros((pixels, pixels))
    for chunk in chunks(train):
        flat = chunk.reshape(len(chunk), pixels).astype(np.float64)
        total += flat.sum(axis=0)
        products += flat.T @ flat
    mean = total / len(train)
    _, vectors = np.linalg.eigh(products / len(train) - np.outer(mean, mean))
    leading = vectors[:, ::-1][:, :components]

    def project(images: Images) -> Images:
        flat = images.reshape(len(images), pixels) - mean
        projected: Images = flat @ leading @ leading.T + mean
        return projected.reshape(images.shape)

    return squared_errors(test, project)


def chunks(images: Images) -> Iterator[Images]:
    """The images as float32 in [0, 1], `CHUNK` at a time."""
    for start in range(0, len(images), CHUNK):
        yield to_float(images[start : start + CHUNK])


def _per_image(images: Images, reconstructions: Images) -> NDArray[np.float64]:
    difference = images.astype(np.float64) - reconstructions
    errors: NDArray[np.float64] = np.square(difference).reshape(len(images), -1).mean(axis=1)
    return errors
