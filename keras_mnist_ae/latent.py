"""What the codes hold: probes and clusters fitted on training codes and scored on test codes, dimensions in use, neighbours, a map."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import interruption
from .codec import Codec
from .datasets import Dataset
from .errors import MissingDependencyError, UsageError, ValidationError
from .images import CHUNK, Advance, Images, chunks, to_float

NEIGHBOURS = 5
SEEDS = 10
QUERIES = 8  # test images whose nearest training images are told
DEAD = 1e-3  # a unit is dead when its standard deviation is below this part of the codes' root mean variance
MAPPED = 5000  # test codes on the map at most: more only cover each other
TSNE_ITERATIONS = 1000

Codes = NDArray[Any]
Tell = Callable[[str], object]  # what is done next


def encoded(images: Images, codec: Codec, advance: Advance | None = None) -> Codes:
    """The codes of uint8 images of shape (n, H, W, C), float32 of shape (n, d)."""
    return np.concatenate([codec.encode(chunk)[0] for chunk in chunks(images, advance)])


def analyse(data: Dataset, train: Codes, test: Codes, linear: Codes, linear_test: Codes, tell: Tell = str) -> dict[str, Any]:
    """Everything `kae latent` tells, ready for JSON, but for the map.

    `train` and `test` are the codes of all images of `data`, `linear` and `linear_test` the codes a PCA of the same size gives them.
    `knn` and `logistic` hold test accuracies on codes, raw pixels and PCA codes, `kmeans` scores over ten seeds, `nearest` the nearest
    training images of a few test images, `skipped` the reason for each part that could not be done. `tell` is called before each part.

    Raises `ValidationError` when all codes are the same.
    """
    tell("dimensions")
    found: dict[str, Any] = {"n_train": len(train), "n_test": len(test), "latent": train.shape[1], **dimensions(train)}
    tell("neighbours")
    found["nearest"] = _nearest(data, train, test)
    skipped: dict[str, str] = {}
    spaces: dict[str, Callable[[], tuple[Codes, Codes]]] = {
        "codes": lambda: (train, test),
        "pixels": lambda: (_flat(data.train.images), _flat(data.test.images)),
        "pca": lambda: (linear.astype(np.float32), linear_test.astype(np.float32)),
    }
    labels, test_labels = data.train.labels, data.test.labels
    for part, probe in (("knn", knn_accuracy), ("logistic", logistic_accuracy), ("kmeans", None)):
        if labels is None or test_labels is None:
            skipped[part] = f"{data.name} has no labels"
        elif reason := _unfit(part, labels, len(data.classes)):
            skipped[part] = reason
        elif probe is None:
            found[part] = kmeans_scores(train, test, test_labels, len(data.classes), tell)
        else:
            found[part] = {}
            for space, arrays in spaces.items():
                tell(f"{part} on {space}")
                first, second = arrays()
                found[part][space] = probe(first, labels, second, test_labels)
    return {**found, "skipped": skipped}


def dimensions(codes: Codes) -> dict[str, Any]:
    """How much of the code is in use.

    `participation_ratio` is (sum of l)^2 / sum of l^2 over the eigenvalues l of the codes' covariance: from 1 to d, which it is when all
    directions vary alike. `dead_units` counts the numbers of the code that hardly vary. Raises `ValidationError` when none does.
    """
    codes = varied(codes).astype(np.float64)
    variances = codes.var(axis=0)
    eigenvalues = np.linalg.eigvalsh(np.atleast_2d(np.cov(codes, rowvar=False)))
    return {
        "participation_ratio": float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()),
        "dead_units": int((np.sqrt(variances) < DEAD * np.sqrt(variances.mean())).sum()),
    }


def collapsed(codes: Codes) -> str | None:
    """Why nothing can be told of these codes: there is one, or all are the same."""
    if len(codes) < 2:
        return "one training image is too few to tell anything of its code."
    if not codes.var(axis=0, dtype=np.float64).sum() > 1e-12 * np.square(codes, dtype=np.float64).sum(axis=1).mean():
        return (
            "every image has the same code: the encoder has collapsed, its codes hold nothing.\n"
            "Train longer, or with another --learning-rate or --seed."
        )
    return None


def varied(codes: Codes) -> Codes:
    """The codes themselves. Raises `ValidationError` when they have collapsed."""
    if reason := collapsed(codes):
        raise ValidationError(reason)
    return codes


def knn_accuracy(train: Codes, labels: Codes, test: Codes, test_labels: Codes) -> float:
    """Share of test points whose class is that of most of their five nearest training points (Euclidean)."""
    from sklearn.neighbors import KNeighborsClassifier

    fitted = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(train, labels)
    return float(np.mean(np.concatenate([fitted.predict(part) for part in _parts(test)]) == test_labels))


def logistic_accuracy(train: Codes, labels: Codes, test: Codes, test_labels: Codes) -> float:
    """Test accuracy of a multinomial logistic regression (scikit-learn, C = 1) on standardised features, at most 100 iterations."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with quietly():
        return float(make_pipeline(StandardScaler(), LogisticRegression()).fit(train, labels).score(test, test_labels))


def kmeans_scores(train: Codes, test: Codes, test_labels: Codes, clusters: int, tell: Tell = str) -> dict[str, Any]:
    """k-means fitted on training codes from ten seeds, its assignment of the test codes against their classes.

    `accuracy` under the best one-to-one matching of clusters and classes (Hungarian method), `nmi` and `ari` (normalised mutual
    information, adjusted Rand index): `mean`, `std` and `seeds`, the score of each.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    scores: dict[str, list[float]] = {"accuracy": [], "nmi": [], "ari": []}
    for seed in range(SEEDS):
        tell(f"k-means, seed {seed + 1} of {SEEDS}")
        with quietly():
            assigned = KMeans(clusters, n_init=1, random_state=seed).fit(train).predict(test)
        scores["accuracy"].append(matched_accuracy(assigned, test_labels))
        scores["nmi"].append(float(normalized_mutual_info_score(test_labels, assigned)))
        scores["ari"].append(float(adjusted_rand_score(test_labels, assigned)))
    told = {name: {"mean": float(np.mean(seeds)), "std": float(np.std(seeds)), "seeds": seeds} for name, seeds in scores.items()}
    return {"clusters": clusters, **told}


def matched_accuracy(assigned: Codes, labels: Codes) -> float:
    """Share of points in the cluster that stands for their class, under the one-to-one matching that makes it largest."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(labels, assigned)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))


def nearest(points: Codes, queries: Codes, count: int = 1) -> tuple[Codes, Codes]:
    """Distances and indices, each of shape (queries, count), of the nearest points to each query (Euclidean), the nearest first."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(count, len(points)), algorithm="brute").fit(points)
    distances, indices = zip(*map(search.kneighbors, _parts(queries)), strict=True)
    return np.concatenate(distances), np.concatenate(indices)


def plane(train: Codes, test: Codes, method: str, tell: Tell = str) -> Codes:
    """Test codes as points of a plane, at most 5,000 of them, float of shape (n, 2).

    "pca" is fitted on the training codes; "tsne" (van der Maaten and Hinton 2008; scikit-learn, perplexity 30) and "umap" (McInnes et
    al. 2018; umap-learn) place the test codes themselves, and distances between far points mean little. Codes of one number get a zero
    beside it. Raises `MissingDependencyError` when umap-learn is not installed.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    shown = test[:MAPPED]
    if method == "pca":
        tell("map: PCA")
        points = PCA(min(2, train.shape[1], len(train))).fit(train).transform(shown)
        return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    if method == "umap":
        with warnings.catch_warnings(action="ignore", category=ImportWarning):
            try:
                from umap import UMAP
            except ModuleNotFoundError as error:
                raise MissingDependencyError("the map by UMAP needs umap-learn.\nInstall it: pip install umap-learn") from error
        tell("map: UMAP")
        with warnings.catch_warnings(action="ignore"):
            return np.asarray(UMAP(random_state=0, n_neighbors=min(15, len(shown) - 1)).fit_transform(shown))
    if len(shown) < 3:
        raise UsageError(f"a map by t-SNE needs 3 test images; there are {len(shown)}")
    tell("map: t-SNE")
    init = "pca" if train.shape[1] > 1 else "random"
    with redirect_stdout(_Iterations(tell)):
        tsne = TSNE(perplexity=min(30, (len(shown) - 1) / 3), max_iter=TSNE_ITERATIONS, init=init, random_state=0, verbose=2)
        return np.asarray(tsne.fit_transform(shown))


@contextmanager
def quietly() -> Iterator[None]:
    """Around a fit of scikit-learn's: no warning that it has not converged, and no threads in its matrix products.

    The threads of OpenBLAS wait for each other in a loop: beside any other work on the machine they make a fit ten times slower.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning), threadpool_limits(1, "blas"):
        yield


class _Iterations(io.TextIOBase):
    """What scikit-learn's t-SNE prints, as progress."""

    def __init__(self, tell: Tell) -> None:
        self.announce = tell

    def write(self, text: str) -> int:
        if found := re.search(r"Iteration (\d+)", text):
            self.announce(f"map: t-SNE, iteration {found[1]} of {TSNE_ITERATIONS}")
        return len(text)


def _nearest(data: Dataset, train: Codes, test: Codes) -> list[dict[str, Any]]:
    _, indices = nearest(train, test[:QUERIES], NEIGHBOURS)

    def named(labels: Codes | None, index: int) -> str | None:
        return None if labels is None else data.classes[labels[index]]

    return [
        {
            "test": query,
            "class": named(data.test.labels, query),
            "train": [int(index) for index in found],
            "classes": [named(data.train.labels, index) for index in found],
        }
        for query, found in enumerate(indices)
    ]


def _unfit(part: str, labels: Codes, clusters: int) -> str | None:
    """Why that part cannot be done."""
    images = len(labels)
    if len(np.unique(labels)) < 2:
        return f"the training images are all of one class ({images} images)"
    if part == "knn" and images < NEIGHBOURS:
        return f"{images} training images are fewer than {NEIGHBOURS} neighbours"
    if part == "kmeans" and images < clusters:
        return f"{images} training images are fewer than {clusters} clusters"
    return None


def _parts(points: Codes) -> Iterator[Codes]:
    """A signal is heard between two of them."""
    for start in range(0, len(points), CHUNK):
        interruption.check()
        yield points[start : start + CHUNK]


def _flat(images: Images) -> Codes:
    return to_float(images).reshape(len(images), -1)
