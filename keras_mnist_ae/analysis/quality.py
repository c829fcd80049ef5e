"""How well generated images match real ones, from features of both: FID, KID, precision and recall.

All are computed in float64 from features of shape (n, d).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..system import signals

Double = NDArray[np.float64]
ROWS = 1000  # of a matrix of pairs that are in memory at a time
NEIGHBOUR = 3  # whose distance is the radius of a point, as in the paper


def fid(real: Double, made: Double) -> float:
    """Fréchet distance of two Gaussians with the features' means and covariances (Heusel et al.
    2017): |m - n|^2 + tr(S + T - 2 (S T)^(1/2)).

    Examples:
        >>> points = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
        >>> round(fid(points, points + [3, 4]), 6)
        25.0
    """
    means = np.square(real.mean(axis=0) - made.mean(axis=0)).sum()
    first, second = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (real, made))
    eigenvalues, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(eigenvalues, 0))) @ vectors.T
    # (S T)^(1/2) has the trace of (S^(1/2) T S^(1/2))^(1/2), which is symmetric
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(means + np.trace(first) + np.trace(second) - 2 * shared)


def kid(real: Double, made: Double) -> float:
    """Kernel distance (Bińkowski et al. 2018): the unbiased estimate of the squared maximum mean
    discrepancy under the kernel (x'y / d + 1)^3, over all pairs at once, not over subsets. It may
    be a little below 0.
    """

    def kernel(first: Double, second: Double) -> float:
        products = (part @ second.T / second.shape[1] + 1 for part in _parts(first))
        return float(sum((block**3).sum() for block in products))

    def within(points: Double) -> float:
        own = ((np.square(points).sum(axis=1) / points.shape[1] + 1) ** 3).sum()
        return float((kernel(points, points) - own) / (len(points) * (len(points) - 1)))

    return within(real) + within(made) - 2 * kernel(real, made) / (len(real) * len(made))


def precision_recall(real: Double, made: Double) -> tuple[float, float]:
    """The share of the generated points among the real ones, and of the real ones among the
    generated (Kynkäänniemi et al. 2019): a point is among others where it lies within the distance
    of one of them to its third nearest neighbour.
    """
    return _covered(made, real), _covered(real, made)


def scores(real: Double, made: Double) -> dict[str, Any]:
    """All of them, ready for JSON."""
    precision, recall = precision_recall(real, made)
    return {"fid": fid(real, made), "kid": kid(real, made), "precision": precision, "recall": recall}


def _covered(points: Double, among: Double) -> float:
    radii = np.concatenate(
        [np.partition(distances, NEIGHBOUR, axis=1)[:, NEIGHBOUR] for distances in _distances(among, among)]
    )  # the nearest is the point itself
    inside = [(distances <= radii).any(axis=1) for distances in _distances(points, among)]
    return float(np.concatenate(inside).mean())


def _distances(points: Double, others: Double) -> Iterator[Double]:
    """Squared distances of a part of the points to all others."""
    lengths = np.square(others).sum(axis=1)
    for part in _parts(points):
        squares = np.square(part).sum(axis=1)[:, np.newaxis] + lengths - 2 * part @ others.T
        yield np.maximum(squares, 0)


def _parts(points: Double) -> Iterator[Double]:
    for start in range(0, len(points), ROWS):
        signals.check()
        yield points[start : start + ROWS]
