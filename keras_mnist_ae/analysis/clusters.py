"""Groups among codes, found without labels: one table of methods, fitted on training points and
applied to test points.
"""

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingDependencyError
from ..system import lean
from .generation import FITTED
from .neighbours import Codes
from .probes import matched_accuracy, quietly
from .projection import Tell

SEEDS = 10
WIDEST = 256  # numbers of a point: a full covariance of more takes minutes a step
SHOWN = 10  # test images that stand for a cluster
NEIGHBOURS = 20  # of UMAP, and no distance at least, as N2D has them
SCORES = ("accuracy", "nmi", "ari")


@dataclass(frozen=True)
class Clustering:
    """`assigned` is the cluster of each test point, (n,), from 0; `points` (n, k) the test points
    where the clusters were made: the points themselves, or where a method has moved them.
    """

    assigned: NDArray[np.int64]
    points: Codes


@dataclass(frozen=True)
class Method:
    """A way to find clusters: `find` takes training points (m, d), test points (n, d), the number
    of clusters and a seed. `widest` bounds d, `package` is what it needs beside scikit-learn.
    """

    name: str
    label: str
    find: Callable[[Codes, Codes, int, int], Clustering]
    widest: int | None = None
    package: str | None = None


def kmeans(train: Codes, test: Codes, clusters: int, seed: int) -> Clustering:
    """k-means from one start (scikit-learn: k-means++, Lloyd)."""
    from sklearn.cluster import KMeans

    fitted = KMeans(clusters, n_init=1, random_state=seed).fit(train)
    return Clustering(fitted.predict(test), test)


def mixture(train: Codes, test: Codes, clusters: int, seed: int) -> Clustering:
    """A Gaussian mixture with full covariances (scikit-learn), on at most 20,000 points."""
    from sklearn.mixture import GaussianMixture

    some = train[:FITTED].astype(np.float64)
    floor = max(1e-6 * some.var(axis=0).mean(), 1e-12)  # a dead unit's variance is 0
    fitted = GaussianMixture(clusters, reg_covar=floor, random_state=seed).fit(some)
    return Clustering(fitted.predict(test.astype(np.float64)), test)


def umap_mixture(train: Codes, test: Codes, clusters: int, seed: int) -> Clustering:
    """A Gaussian mixture where UMAP has moved the points to (N2D, McConville et al. 2020): as many
    numbers as clusters, 20 neighbours, no least distance; on at most 20,000 training points.
    """
    with warnings.catch_warnings(action="ignore"):
        try:
            with lean.imports(""):  # umap would load TensorFlow where it is installed
                from umap import UMAP
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "clusters by UMAP need umap-learn.\nInstall it: pip install umap-learn"
            ) from error
        some = train[:FITTED]
        places = UMAP(
            n_components=max(2, min(clusters, len(some) // 4)),
            n_neighbors=min(NEIGHBOURS, len(some) - 1),
            min_dist=0.0,
            random_state=seed,
        ).fit(some)
        moved, moved_test = np.asarray(places.embedding_), np.asarray(places.transform(test))
    return mixture(moved, moved_test, clusters, seed)


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("kmeans", "k-means", kmeans),
        Method("mixture", "Gaussian mixture", mixture, widest=WIDEST),
        Method("umap", "UMAP and mixture (N2D)", umap_mixture, package="umap"),
    )
}


def missing(method: Method) -> bool:
    """Whether a package that the method needs is not installed."""
    return method.package is not None and importlib.util.find_spec(method.package) is None


def unfit(method: Method, width: int) -> str | None:
    """Why a method does not serve points of so many numbers."""
    if method.widest is not None and width > method.widest:
        return f"{width} numbers a point are too many for full covariances (at most {method.widest})"
    return None


def found(
    method: Method, train: Codes, test: Codes, clusters: int, seeds: int, tell: Tell = str
) -> list[Clustering]:
    """The clusters of the test points from the seeds 0, 1, ...; `tell` is called before each."""
    each = []
    for seed in range(seeds):
        tell(f"{method.label}, seed {seed + 1} of {seeds}")
        with quietly():
            each.append(method.find(train, test, clusters, seed))
    return each


def scored(each: list[Clustering], labels: Codes) -> dict[str, Any]:
    """How well clusters of several seeds match the classes.

    Args:
        labels: of the test points, (n,).

    Returns:
        `accuracy` under the best one-to-one matching of clusters and classes (Hungarian method),
        `nmi` and `ari` (normalised mutual information, adjusted Rand index), each with its `mean`,
        its `std` and the value of each of the `seeds`.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    values: dict[str, list[float]] = {name: [] for name in SCORES}
    for one in each:
        values["accuracy"].append(matched_accuracy(one.assigned, labels))
        values["nmi"].append(float(normalized_mutual_info_score(labels, one.assigned)))
        values["ari"].append(float(adjusted_rand_score(labels, one.assigned)))
    return {name: spread(numbers) for name, numbers in values.items()}


def agreement(each: list[Clustering]) -> float | None:
    """The mean adjusted Rand index between the clusters of any two seeds: 1 where the seed does not
    matter. It needs no labels. None of one seed.
    """
    from sklearn.metrics import adjusted_rand_score

    pairs = [
        adjusted_rand_score(first.assigned, second.assigned)
        for number, first in enumerate(each)
        for second in each[:number]
    ]
    return float(np.mean(pairs)) if pairs else None


def spread(values: list[float]) -> dict[str, Any]:
    """Mean and standard deviation of values, and these themselves."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "seeds": values}


def sizes(one: Clustering, labels: Codes | None, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The clusters, the largest first: `size`, the `class` that most of its test images have and
    their `share` (None without labels), and `images`, the test images nearest to the mean of the
    cluster, at most ten.
    """
    told = []
    for cluster in np.unique(one.assigned):
        members = np.flatnonzero(one.assigned == cluster)
        centre = one.points[members].mean(axis=0, dtype=np.float64)
        order = np.argsort(np.linalg.norm(one.points[members] - centre, axis=1), kind="stable")
        counts = None if labels is None else np.bincount(labels[members], minlength=len(classes))
        told.append(
            {
                "cluster": int(cluster),
                "size": len(members),
                "class": None if counts is None else classes[counts.argmax()],
                "share": None if counts is None else float(counts.max() / len(members)),
                "images": [int(index) for index in members[order[:SHOWN]]],
            }
        )
    return sorted(told, key=lambda each: -int(each["size"]))
