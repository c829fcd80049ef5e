"""Principal component analysis of images: what a linear code of the same size can do, the yardstick
beside every autoencoder.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import Images, chunks

LEAST = 1e-13  # of the largest variance: what is below it is rounding
LEAST_SINGLE = 1e-6  # the same where products are in float32
WIDEST = 4096  # pixels times channels whose covariance is made
LARGEST = 2**26  # pixels of the images that are taken together otherwise


@dataclass(frozen=True)
class Pca:
    """`mean` float64 of shape (pixels,) and `components` (pixels, d), orthonormal columns, the one
    of the largest variance first; `fitted` is the number of images they come from.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    fitted: int

    def encode(self, images: Images) -> NDArray[np.float64]:
        """Codes of shape (n, d) of float images of shape (n, H, W, C)."""
        codes: NDArray[np.float64] = (images.reshape(len(images), -1) - self.mean) @ self.components
        return codes

    def reconstruct(self, images: Images) -> NDArray[np.float64]:
        """The images from their codes; the same shape."""
        found: NDArray[np.float64] = self.encode(images) @ self.components.T + self.mean
        return found.reshape(images.shape)


def fit(images: Images, components: int) -> Pca:
    """Fit to uint8 images of shape (n, H, W, C), as [0, 1].

    The components are the leading eigenvectors of the pixels' covariance, in float64; fewer than
    asked for where the images vary in fewer directions. A chunk of the images is in memory at a
    time. Where the covariance of that many pixels would be large, they are found by way of the
    images' products with each other, of as many of the first images as `LARGEST` allows.
    """
    pixels = images[0].size
    if pixels > WIDEST:
        return _by_images(images[: max(components + 1, LARGEST // pixels)], components)
    total, products = np.zeros(pixels), np.zeros((pixels, pixels))
    for chunk in chunks(images):
        flat = chunk.reshape(len(chunk), pixels).astype(np.float64)
        total += flat.sum(axis=0)
        products += flat.T @ flat
    mean = total / len(images)
    eigenvalues, vectors = np.linalg.eigh(products / len(images) - np.outer(mean, mean))
    varying = int((eigenvalues > LEAST * max(eigenvalues[-1], 0)).sum())
    return Pca(mean, vectors[:, ::-1][:, : min(components, varying, len(images) - 1)], len(images))


def _by_images(images: Images, components: int) -> Pca:
    """The same of n images through a matrix (n, n): X'X and XX' have the same eigenvalues, and
    eigenvectors v and X'v.
    """
    flat = np.concatenate([chunk.reshape(len(chunk), -1) for chunk in chunks(images)])
    mean = flat.mean(axis=0, dtype=np.float64)
    flat -= mean.astype(np.float32)
    eigenvalues, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    varying = int((eigenvalues > LEAST_SINGLE * max(eigenvalues[-1], 0)).sum())
    count = min(components, varying, len(images) - 1)
    found, _ = np.linalg.qr(flat.T.astype(np.float64) @ vectors[:, ::-1][:, :count])
    return Pca(mean, found, len(images))
