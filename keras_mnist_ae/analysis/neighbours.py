"""Nearest neighbours by Euclidean distance."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.images import CHUNK
from ..system import signals

NEIGHBOURS = 5

Codes = NDArray[Any]


def nearest(points: Codes, queries: Codes, count: int = 1) -> tuple[Codes, Codes]:
    """Distances and indices, each of shape (queries, count), of the nearest points to each query
    (Euclidean), the nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(count, len(points)), algorithm="brute").fit(points)
    distances, indices = zip(*map(search.kneighbors, parts(queries)), strict=True)
    return np.concatenate(distances), np.concatenate(indices)


def parts(points: Codes) -> Iterator[Codes]:
    """A signal is heard between two of them."""
    for start in range(0, len(points), CHUNK):
        signals.check()
        yield points[start : start + CHUNK]
