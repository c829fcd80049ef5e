"""Structural similarity pixel by pixel, with numpy alone."""

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]

WINDOW = 7  # pixels of a side
AT_ONCE = 12_000  # pixels: what is computed from them stays in the processor's cache
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
    count, height, width, channels = images.shape
    side = min(height, width)
    side = min(WINDOW, side - 1 + side % 2)
    maps = np.empty((count, height - side + 1, width - side + 1))
    at_once = max(1, AT_ONCE // (height * width * channels))
    for start in range(0, count, at_once):
        pair = (array[start : start + at_once] for array in (images, reconstructions))
        a, b = (array.transpose(1, 2, 0, 3).astype(np.float64, order="C") for array in pair)
        maps[start : start + at_once] = _similarity(a, b, side).mean(axis=3).transpose(2, 0, 1)
    return maps


def _similarity(a: Double, b: Double, side: int) -> Double:
    """Of each window of two arrays (H, W, n, C): with the images behind their pixels, what is added
    up lies side by side.
    """
    planes = np.stack([a, b, a * a + b * b, a * b])
    planes = _window_sums(_window_sums(planes, side, axis=1), side, axis=2)
    planes *= 1 / side**2
    mean_a, mean_b, squares, product = planes
    unbiased = side**2 / (side**2 - 1) if side > 1 else 1.0
    above, below = mean_a * mean_b, mean_a * mean_a + mean_b * mean_b
    product -= above
    squares -= below
    above = (2 * above + LUMINANCE) * (2 * unbiased * product + CONTRAST)
    below = (below + LUMINANCE) * (unbiased * squares + CONTRAST)
    similarity: Double = above / below
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


def _window_sums(values: Double, side: int, axis: int) -> Double:
    """Sums of all windows of an axis: of 1, 2, 4, ... neighbours, added up to `side`."""
    count = values.shape[axis] - side + 1
    total, powers, done, width = np.zeros(()), values, 0, 1
    while done < side:
        if side & width:
            part = _part(powers, axis, done, count)
            total = np.add(total, part, out=total) if total.ndim else part.copy()
            done += width
        if done < side:
            rest = powers.shape[axis] - width
            powers = _part(powers, axis, 0, rest) + _part(powers, axis, width, rest)
            width *= 2
    return total


def _part(values: Double, axis: int, start: int, count: int) -> Double:
    return values[(slice(None),) * axis + (slice(start, start + count),)]
