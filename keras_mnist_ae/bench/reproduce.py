"""A record trained and measured again, seed by seed: what is there already is not done twice."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorruptFileError, UsageError
from ..runs.config import configure
from ..runs.folder import Run
from ..system.progress import Progress, silent
from .records import Record, Row

QUICK = {"dataset": "digits", "recipe": "reference", "epochs": 2, "limit": 256, "batch_size": 64}
SAMPLES, QUICK_SAMPLES = 1000, 10  # of the importance-weighted bound
LABELS, DRAWS = 10, 10  # labelled images a class, and how often they are drawn

Say = Callable[[str], object]


@dataclass(frozen=True)
class Outcome:
    """A row, the number of each seed, and that of what needs no training."""

    row: Row
    seeds: tuple[float, ...]
    untrained: float | None

    @property
    def mean(self) -> float:
        return float(np.mean(self.seeds))

    @property
    def deviation(self) -> float | None:
        """The standard deviation over the seeds; None of one."""
        return float(np.std(self.seeds, ddof=1)) if len(self.seeds) > 1 else None


def reproduce(
    record: Record,
    seeds: int,
    folder: Path,
    *,
    quick: bool = False,
    say: Say = str,
    progress: Progress = silent,
) -> list[Outcome]:
    """Train every row from the seeds 0, 1, ... and measure it.

    Each training is a run in `folder`, named after its settings: a finished one is measured, an
    interrupted one is resumed, and what was measured is kept in it.

    Args:
        quick: two epochs on a few of the digits inside scikit-learn, to try it out.
        say: is told what is being done, and how long the rest will take.

    Raises:
        CorruptFileError: A run is broken; the others are done first.
    """
    jobs = [(row, seed) for seed in range(seeds) for row in record.rows]
    found: dict[Row, list[Run]] = {row: [] for row in record.rows}
    broken: list[str] = []
    start, trained = time.monotonic(), 0
    for number, (row, seed) in enumerate(jobs, 1):
        settings = {**row.settings, **(QUICK if quick else {}), "seed": seed}
        path = folder / name_of(settings)
        left = _left(start, trained, len(jobs) - number)
        say(f"{number} of {len(jobs)}: {row.label}, seed {seed}: {path}{left}")
        try:
            done = Run(path).finished
            run = _trained(settings, folder)
            for measure in filter(None, (row.measure, row.untrained)):
                MEASURES[measure](run, QUICK_SAMPLES if quick else SAMPLES, progress)
            trained += not done
        except CorruptFileError as error:
            broken.append(str(error).splitlines()[0])
            say(f"left out: {broken[-1]}")
            continue
        found[row].append(run)
    outcomes = [_outcome(row, runs, quick, progress) for row, runs in found.items() if runs]
    if broken:
        raise CorruptFileError(
            f"{len(broken)} of the runs cannot be used: {broken[0]}\n"
            "Remove it (kae runs rm RUN), and what it held is made again."
        )
    return outcomes


def name_of(settings: dict[str, Any]) -> str:
    """The name of a run with these settings, such as conv-best-mnist-64-best-seed0."""
    order = ("variant", "dataset", "latent_dim", "recipe", "binarize")
    return "-".join([*(str(settings[key]) for key in order if key in settings), f"seed{settings['seed']}"])


def _trained(settings: dict[str, Any], folder: Path) -> Run:
    from ..training.resume import resume
    from ..training.train import train_config

    config = configure(**settings, runs_dir=folder, name=name_of(settings))
    run = Run(folder / name_of(settings))
    if not (run.path / "config.toml").is_file():
        return train_config(config)
    known = configure(run.checked("config.toml"))
    if replace(known, runs_dir=config.runs_dir, name=config.name) != config:
        raise UsageError(f"run {run.path} has other settings than the record.\nGive another --runs-dir.")
    return resume(run)


def _outcome(row: Row, runs: list[Run], quick: bool, progress: Progress) -> Outcome:
    samples = QUICK_SAMPLES if quick else SAMPLES
    seeds = tuple(MEASURES[row.measure](run, samples, progress) for run in runs)
    untrained = MEASURES[row.untrained](runs[0], samples, progress) if row.untrained else None
    return Outcome(row, seeds, untrained)


def _left(start: float, trained: int, jobs: int) -> str:
    """How long the rest takes if each takes as long as those trained so far."""
    if not trained:
        return ""
    minutes = (time.monotonic() - start) / trained * (jobs + 1) / 60
    return f" (about {minutes:,.0f} minutes left)" if minutes >= 1 else ""


def _metric(name: str) -> Callable[[Run, int, Progress], float]:
    def measure(run: Run, samples: int, progress: Progress) -> float:
        if name not in run.metrics:
            from ..reporting.steps import evaluate

            evaluate(run, progress=progress)
        return float(run.metrics[name])

    return measure


def _evidence(name: str) -> Callable[[Run, int, Progress], float]:
    def measure(run: Run, samples: int, progress: Progress) -> float:
        if run.metrics.get("evidence", {}).get("samples") != samples:
            from ..reporting.steps import evaluate

            evaluate(run, importance_samples=samples, progress=progress)
        return float(run.metrics["evidence"][name])

    return measure


def _latent(keys: Iterable[str]) -> Callable[[Run, int, Progress], float]:
    def measure(run: Run, samples: int, progress: Progress) -> float:
        if "latent" not in run.metrics:
            from ..reporting.steps import analyse

            analyse(run, progress=progress)
        found: Any = run.metrics["latent"]
        for key in keys:
            found = found[key]
        return float(found)

    return measure


def _few_labels(space: str) -> Callable[[Run, int, Progress], float]:
    def measure(run: Run, samples: int, progress: Progress) -> float:
        if "few_labels" not in run.metrics:
            run.add_metrics({"few_labels": _measured_few_labels(run)})
        return float(run.metrics["few_labels"][space])

    return measure


def _measured_few_labels(run: Run) -> dict[str, float]:
    from ..analysis import latent, pca
    from ..analysis.probes import few_labels_accuracy
    from ..datasets.images import to_float
    from ..reporting.codecs import keras_codec

    codec, data = keras_codec(run)
    if data.train.labels is None or data.test.labels is None:
        raise UsageError(f"{data.name} has no labels")
    linear = pca.fit(data.train.images, run.variant.latent)
    spaces = {
        "codes": [latent.encoded(split.images, codec) for split in (data.train, data.test)],
        "pca": [linear.encode(to_float(split.images)) for split in (data.train, data.test)],
    }
    return {
        space: few_labels_accuracy(train, data.train.labels, test, data.test.labels, LABELS, DRAWS)
        for space, (train, test) in spaces.items()
    }


MEASURES: dict[str, Callable[[Run, int, Progress], float]] = {
    "test_mse": _metric("test_mse"),
    "pca_mse": _metric("pca_mse"),
    "negative_elbo": _evidence("negative_elbo"),
    "negative_log_likelihood": _evidence("negative_log_likelihood"),
    "kmeans": _latent(("kmeans", "accuracy", "mean")),
    "knn": _latent(("knn", "codes")),
    "knn_pixels": _latent(("knn", "pixels")),
    "linear": _latent(("logistic", "codes")),
    "linear_pixels": _latent(("logistic", "pixels")),
    "few_labels": _few_labels("codes"),
    "few_labels_pca": _few_labels("pca"),
}
