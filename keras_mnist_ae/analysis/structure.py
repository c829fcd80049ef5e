"""Structural similarity pixel by pixel, with numpy alone."""

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]

WINDOW = 7  # pixels of a side
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # constants of Wang et al. 2004 for pixels in [0, 1]


def ssim_map(images: NDArray[np.floating], reconstructions: NDArray[np.floating]) -> Double:
    """Structural similarity (Wang et al. 2004) of each window, averaged over the channels.

    SSIM = (2 m m' + c) (2 s + d) / ((m^2 + m'^2 + c) (v + v' + d)) with the means, variances and
    covariance s of the two windows: 1 where they are equal. Windows are of 7 x 7 pixels, or of the
    largest odd side that fits; the mean of the map is the SSIM of scikit-image with its defaults.

    Args:
        images: (n, H, W, C) in [0, 1].
        reconstructions: the same shape.

    Returns:
        (n, H - 6, W - 6), a number for each window that lies within the image.

    Examples:
        >>> images = np.random.default_rng(0).random((2, 28, 28, 1))
        >>> ssim_map(images, images).shape
        (2, 22, 22)
        >>> round(float(ssim_map(images, images).min()), 9)
        1.0
    """
    side = min(images.shape[1:3])
    side = min(WINDOW, side - 1 + side % 2)
    count = side * side
    unbiased = count / (count - 1) if count > 1 else 1.0
    a, b = images.astype(np.float64), reconstructions.astype(np.float64)
    mean_a, mean_b = _means(a, side), _means(b, side)
    squares = unbiased * (_means(a * a + b * b, side) - mean_a**2 - mean_b**2)
    covariance = unbiased * (_means(a * b, side) - mean_a * mean_b)
    above = (2 * mean_a * mean_b + LUMINANCE) * (2 * covariance + CONTRAST)
    below = (mean_a**2 + mean_b**2 + LUMINANCE) * (squares + CONTRAST)
    similarity: Double = (above / below).mean(axis=-1)
    return similarity


def pooled(maps: Double, cells: int) -> Double:
    """Means over a grid: maps (n, h, w) as (n, k) with k = `cells`^2, fewer where a map has fewer
    rows or columns.

    Examples:
        >>> pooled(np.arange(16.0).reshape(1, 4, 4), 2)
        array([[ 2.5,  4.5, 10.5, 12.5]])
    """
    for axis in (1, 2):
        size = maps.shape[axis]
        edges = np.linspace(0, size, min(cells, size) + 1).astype(int)
        sums = np.add.reduceat(maps, edges[:-1], axis=axis)
        shape = [1, 1, 1]
        shape[axis] = len(edges) - 1
        maps = sums / np.diff(edges).reshape(shape)
    return maps.reshape(len(maps), -1)


def _means(values: Double, side: int) -> Double:
    """Means of all windows of (n, H, W, C), by differences of running sums."""
    for axis in (1, 2):
        sums = np.cumsum(values, axis=axis)
        first = np.take(sums, [side - 1], axis=axis)
        at = [slice(None)] * 4
        upper, lower = list(at), list(at)
        upper[axis], lower[axis] = slice(side, None), slice(None, -side)
        rest = sums[tuple(upper)] - sums[tuple(lower)]
        values = np.concatenate([first, rest], axis=axis) / side
    return values
