"""What the codes hold: probes and clusters fitted on training codes and scored on test codes,
dimensions in use, neighbours, a map.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..datasets.catalog import Dataset
from ..datasets.images import Advance, Images, chunks, to_float
from ..errors import ValidationError
from .codec import Codec
from .neighbours import NEIGHBOURS, Codes, nearest
from .probes import kmeans_scores, knn_accuracy, logistic_accuracy
from .projection import Tell

ACTIVE = 0.01  # variance of the mean of a number of a code above which it is in use
QUERIES = 8  # test images whose nearest training images are told
DEAD = 1e-3  # a unit is dead when its standard deviation is below this part of the codes' root mean variance


def encoded(images: Images, codec: Codec, advance: Advance | None = None) -> Codes:
    """The codes of uint8 images of shape (n, H, W, C), float32 of shape (n, d)."""
    return np.concatenate([codec.encode(chunk)[0] for chunk in chunks(images, advance)])


def analyse(
    data: Dataset, train: Codes, test: Codes, linear: Codes, linear_test: Codes, tell: Tell = str
) -> dict[str, Any]:
    """Everything `kae latent` tells, ready for JSON, but for the map.

    `train` and `test` are the codes of all images of `data`, `linear` and `linear_test` the codes a
    PCA of the same size gives them. `knn` and `logistic` hold test accuracies on codes, raw pixels
    and PCA codes, `kmeans` scores over ten seeds, `nearest` the nearest training images of a few
    test images, `skipped` the reason for each part that could not be done. `tell` is called before
    each part.

    Raises `ValidationError` when all codes are the same.
    """
    tell("dimensions")
    found: dict[str, Any] = {
        "n_train": len(train),
        "n_test": len(test),
        "latent": train.shape[1],
        **dimensions(train),
    }
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

    `participation_ratio` is (sum of l)^2 / sum of l^2 over the eigenvalues l of the codes'
    covariance: from 1 to d, which it is when all directions vary alike. `dead_units` counts the
    numbers of the code that hardly vary. Raises `ValidationError` when none does.
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
    if (
        not codes.var(axis=0, dtype=np.float64).sum()
        > 1e-12 * np.square(codes, dtype=np.float64).sum(axis=1).mean()
    ):
        return (
            "every image has the same code: the encoder has collapsed, its codes hold nothing.\n"
            "Train longer, or with another --learning-rate or --seed."
        )
    return None


def active_units(means: Codes) -> int:
    """How many numbers of a variational code are in use: the variance of their mean over images is
    above 0.01 (Burda et al. 2016).

    Args:
        means: of the codes of at least two images, shape (n, d).

    Examples:
        >>> active_units(np.array([[1.0, 0.05], [-1.0, -0.05]]))
        1
    """
    return int((means.var(axis=0, dtype=np.float64) > ACTIVE).sum())


def inactive(means: Codes) -> str | None:
    """Why a variational code is worth nothing: no number of it is in use; None where one is."""
    if len(means) < 2 or active_units(means):
        return None
    return (
        f"Collapsed: none of the {means.shape[1]} numbers of the code depends on the image (variance of "
        f"its mean at most {ACTIVE}, Burda et al. 2016). Try --beta below 1, --kl-warm-up, or more --epochs."
    )


def varied(codes: Codes) -> Codes:
    """The codes themselves. Raises `ValidationError` when they have collapsed."""
    if reason := collapsed(codes):
        raise ValidationError(reason)
    return codes


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


def _flat(images: Images) -> Codes:
    return to_float(images).reshape(len(images), -1)
