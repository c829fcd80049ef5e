"""A record trained and measured again, seed by seed: what is there already is not done twice."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CorruptFileError, MissingDependencyError, UsageError
from ..runs.config import configure
from ..runs.folder import Run
from .measures import MEASURES, QUICK_SAMPLES, SAMPLES
from .records import Record, Row

QUICK = {"dataset": "digits", "recipe": "reference", "epochs": 2, "limit": 256, "batch_size": 64}
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
) -> list[Outcome]:
    """Train every row from the seeds 0, 1, ... and measure it.

    Each training is a run in `folder`, named after its settings: a finished one is measured, an
    interrupted one is resumed, and what was measured is kept in it.

    Args:
        quick: two epochs on a few of the digits inside scikit-learn, to try it out.
        say: is told what is being done, and how long the rest will take.

    Raises:
        CorruptFileError: A run is broken; the others are done first.

    A row whose measure needs a package that is not installed is left out, which `say` is told.
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
                MEASURES[measure].of(run, QUICK_SAMPLES if quick else SAMPLES)
            trained += not done
        except CorruptFileError as error:
            broken.append(str(error).splitlines()[0])
            say(f"left out: {broken[-1]}")
            continue
        except MissingDependencyError as error:
            say(f"left out: {row.label}: {error}")
            continue
        found[row].append(run)
    outcomes = [_outcome(row, runs, quick) for row, runs in found.items() if runs]
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


def _outcome(row: Row, runs: list[Run], quick: bool) -> Outcome:
    samples = QUICK_SAMPLES if quick else SAMPLES
    seeds = tuple(MEASURES[row.measure].of(run, samples) for run in runs)
    untrained = MEASURES[row.untrained].of(runs[0], samples) if row.untrained else None
    return Outcome(row, seeds, untrained)


def _left(start: float, trained: int, jobs: int) -> str:
    """How long the rest takes if each takes as long as those trained so far."""
    if not trained:
        return ""
    minutes = (time.monotonic() - start) / trained * (jobs + 1) / 60
    return f" (about {minutes:,.0f} minutes left)" if minutes >= 1 else ""
