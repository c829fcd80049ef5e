"""What the rows of records are measured by: where a number stands in the metrics of a run, and what
measures it where it is not there yet.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import MissingDependencyError, UsageError
from ..runs.folder import Run

SAMPLES, QUICK_SAMPLES = 1000, 10  # of the importance-weighted bound
LABELS, DRAWS = 10, 10  # labelled images a class, and how often they are drawn


@dataclass(frozen=True)
class Measure:
    """A number of a run, under `keys` in its metrics; `command` measures it, `make` does the same
    in Python, `counted` says whether the numbers are of so many importance samples.
    """

    keys: tuple[str, ...]
    command: str
    make: Callable[[Run, int], object]
    counted: bool = False

    def known(self, run: Run) -> float | None:
        """The number where it has been measured."""
        found: Any = run.metrics
        for key in self.keys:
            if not isinstance(found, Mapping) or found.get(key) is None:
                return None
            found = found[key]
        return float(found)

    def of(self, run: Run, samples: int) -> float:
        """The number, measured now where it is not there.

        Args:
            samples: of the importance-weighted bound.
        """
        stale = self.counted and run.metrics.get(self.keys[0], {}).get("samples") != samples
        if stale or self.known(run) is None:
            self.make(run, samples)
        value = self.known(run)
        if value is None:
            raise UsageError(f"run {run.path} cannot be measured so: its data have no labels")
        return value


def _evaluate(run: Run, samples: int) -> None:
    from ..reporting.steps import evaluate

    evaluate(run)


def _evidence(run: Run, samples: int) -> None:
    from ..reporting.steps import evaluate

    evaluate(run, importance_samples=samples)


def _latent(run: Run, samples: int) -> None:
    from ..reporting.steps import analyse

    analyse(run)


def _cluster(run: Run, samples: int) -> None:
    from ..reporting.clustered import cluster

    cluster(run)


def _cluster_umap(run: Run, samples: int) -> None:
    from ..analysis.clusters import METHODS, missing

    if missing(METHODS["umap"]):
        raise MissingDependencyError("clusters by UMAP need umap-learn.\nInstall it: pip install umap-learn")
    _cluster(run, samples)


def _quality(run: Run, samples: int) -> None:
    from ..reporting.generated import generate

    generate(run, quality=True)


def _few_labels(run: Run, samples: int) -> None:
    from ..analysis import pca
    from ..analysis.probes import few_labels_accuracy
    from ..datasets.images import to_float
    from ..reporting import kept
    from ..reporting.codecs import keras_codec

    codec, data = keras_codec(run)
    if data.train.labels is None or data.test.labels is None:
        raise UsageError(f"{data.name} has no labels")
    linear = pca.fit(data.train.images, run.variant.latent)
    spaces = {
        "codes": kept.codes(run, codec, data),
        "pca": [linear.encode(to_float(split.images)) for split in (data.train, data.test)],
    }
    numbers = {
        space: few_labels_accuracy(train, data.train.labels, test, data.test.labels, LABELS, DRAWS)
        for space, (train, test) in spaces.items()
    }
    run.add_metrics({"few_labels": numbers})


def _clusters(method: str, space: str) -> Measure:
    keys = ("clusters", "methods", method, space, "accuracy", "mean")
    return Measure(keys, "kae cluster", _cluster_umap if method == "umap" else _cluster)


BOUND = f"kae evaluate --importance-samples {SAMPLES}"
REPRODUCE = "kae reproduce few-labels"

MEASURES: dict[str, Measure] = {
    "test_mse": Measure(("test_mse",), "kae evaluate", _evaluate),
    "pca_mse": Measure(("pca_mse",), "kae evaluate", _evaluate),
    "negative_elbo": Measure(("evidence", "negative_elbo"), BOUND, _evidence, True),
    "negative_log_likelihood": Measure(("evidence", "negative_log_likelihood"), BOUND, _evidence, True),
    "kmeans": _clusters("kmeans", "codes"),
    "kmeans_pixels": _clusters("kmeans", "pixels"),
    "mixture": _clusters("mixture", "codes"),
    "mixture_pca": _clusters("mixture", "pca"),
    "umap": _clusters("umap", "codes"),
    "umap_pixels": _clusters("umap", "pixels"),
    "knn": Measure(("latent", "knn", "codes"), "kae latent", _latent),
    "knn_pixels": Measure(("latent", "knn", "pixels"), "kae latent", _latent),
    "linear": Measure(("latent", "logistic", "codes"), "kae latent", _latent),
    "linear_pixels": Measure(("latent", "logistic", "pixels"), "kae latent", _latent),
    "few_labels": Measure(("few_labels", "codes"), REPRODUCE, _few_labels),
    "few_labels_pca": Measure(("few_labels", "pca"), REPRODUCE, _few_labels),
    "fid": Measure(("quality", "fid"), "kae generate --quality", _quality),
    "fid_floor": Measure(("quality", "floor", "fid"), "kae generate --quality", _quality),
    "precision": Measure(("quality", "precision"), "kae generate --quality", _quality),
    "precision_floor": Measure(("quality", "floor", "precision"), "kae generate --quality", _quality),
    "recall": Measure(("quality", "recall"), "kae generate --quality", _quality),
    "recall_floor": Measure(("quality", "floor", "recall"), "kae generate --quality", _quality),
}
