"""Classifiers and clusters on codes: nearest neighbours, logistic regression, k-means."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .neighbours import NEIGHBOURS, Codes, parts
from .projection import Tell

SEEDS = 10


def knn_accuracy(train: Codes, labels: Codes, test: Codes, test_labels: Codes) -> float:
    """Share of test points whose class is that of most of their five nearest training points
    (Euclidean).
    """
    from sklearn.neighbors import KNeighborsClassifier

    fitted = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(train, labels)
    return float(np.mean(np.concatenate([fitted.predict(part) for part in parts(test)]) == test_labels))


def logistic_accuracy(train: Codes, labels: Codes, test: Codes, test_labels: Codes) -> float:
    """Test accuracy of a multinomial logistic regression (scikit-learn, C = 1) on standardised
    features, at most 100 iterations.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with quietly():
        return float(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(train, labels).score(test, test_labels)
        )


def few_labels_accuracy(
    train: Codes, labels: Codes, test: Codes, test_labels: Codes, per_class: int, draws: int
) -> float:
    """Test accuracy of `logistic_accuracy` on so many labelled training points of each class, drawn
    at random: the mean over the draws, from the seeds 0, 1, ...
    """
    members = [np.flatnonzero(labels == each) for each in np.unique(labels)]
    found = []
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        at = np.concatenate([generator.permutation(each)[:per_class] for each in members])
        found.append(logistic_accuracy(train[at], labels[at], test, test_labels))
    return float(np.mean(found))


def kmeans_scores(
    train: Codes, test: Codes, test_labels: Codes, clusters: int, tell: Tell = str
) -> dict[str, Any]:
    """k-means fitted on training codes from ten seeds, its assignment of the test codes against
    their classes.

    `accuracy` under the best one-to-one matching of clusters and classes (Hungarian method), `nmi`
    and `ari` (normalised mutual information, adjusted Rand index): `mean`, `std` and `seeds`, the
    score of each.
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
    told = {
        name: {"mean": float(np.mean(seeds)), "std": float(np.std(seeds)), "seeds": seeds}
        for name, seeds in scores.items()
    }
    return {"clusters": clusters, **told}


def matched_accuracy(assigned: Codes, labels: Codes) -> float:
    """Share of points in the cluster that stands for their class, under the one-to-one matching
    that makes it largest.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(labels, assigned)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels))


@contextmanager
def quietly() -> Iterator[None]:
    """Around a fit of scikit-learn's: no warning that it has not converged, and no threads in its
    matrix products.

    The threads of OpenBLAS wait for each other in a loop: beside any other work on the machine they
    make a fit ten times slower.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning), threadpool_limits(1, "blas"):
        yield
