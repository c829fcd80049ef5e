"""Principal component analysis of images: what a linear code of the same size can do, the yardstick beside every autoencoder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .images import Images, chunks

LEAST = 1e-13  # of the largest variance: what is below it is rounding


@dataclass(frozen=True)
class Pca:
    """`mean` float64 of shape (pixels,) and `components` (pixels, d), orthonormal columns, the one of the largest variance first."""

    mean: NDArray[np.float64]
    components: NDArray[np.float64]

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

    Exact: the components are the leading eigenvectors of the pixels' covariance, in float64; fewer than asked for where the images vary in
    fewer directions. A chunk of the images is in memory at a time.
    """
    pixels = images[0].size
    total, products = np.zeros(pixels), np.zeros((pixels, pixels))
    for chunk in chunks(images):
        flat = chunk.reshape(len(chunk), pixels).astype(np.float64)
        total += flat.sum(axis=0)
        products += flat.T @ flat
    mean = total / len(images)
    eigenvalues, vectors = np.linalg.eigh(products / len(images) - np.outer(mean, mean))
    varying = int((eigenvalues > LEAST * max(eigenvalues[-1], 0)).sum())
    return Pca(mean, vectors[:, ::-1][:, : min(components, varying, len(images) - 1)])
