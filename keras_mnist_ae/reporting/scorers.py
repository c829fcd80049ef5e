"""Runs and exports as scorers of images."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..analysis.scorer import Scorer
from ..datasets.reading import Reading
from ..errors import UsageError
from ..export import manifest
from ..runs.folder import Run
from ..runs.reading import trained_reading
from ..runs.runs_dir import find as find_run
from ..system.hints import calibrating


@dataclass(frozen=True)
class Scored:
    """A scorer, the (height, width, channels) of its images and how these are read; of a run also
    its dataset and the classes that it was trained on.
    """

    scorer: Scorer
    name: str
    image: tuple[int, ...]
    reading: Reading
    dataset: str | None = None
    classes: str | None = None


def find(run: Any, runs_dir: Path = Path("runs")) -> Scored:
    """The scorer of a run's Keras model, or of a folder of exported graphs, which needs no Keras.

    Args:
        run: a `Run`, the name or path of one, None for the latest, or a folder of graphs.

    Raises:
        UsageError: There is no such run or folder, or it has no calibration.
        CorruptFileError: A file is damaged, or the calibration is of another model.
    """
    if isinstance(run, Run):
        return of_run(run)
    folder = Path(os.fspath(run)).expanduser() if run is not None else None
    if folder and not (folder / manifest.NAME).is_file() and (runs_dir / folder / manifest.NAME).is_file():
        folder = runs_dir / folder
    if folder and ((folder / manifest.NAME).is_file() or (folder / "encoder.onnx").is_file()):
        return of_export(folder)
    return of_run(find_run(None if run is None else os.fspath(run), runs_dir))


def of_run(run: Run) -> Scored:
    """The scorer of a run's Keras model."""
    from ..analysis.codec import of_model
    from ..analysis.scorer import CALIBRATION, STATISTICS
    from ..export import weights
    from ..system import backend

    run.require_finished()
    if not (run.path / CALIBRATION).is_file():
        raise UsageError(f"{run.path} has no calibration yet.\nMake one: {calibrating(run.path)}")
    for name in (CALIBRATION, STATISTICS):
        run.checked(name)
    backend.choose(run.config.backend)
    scorer = Scorer(of_model(run.model), run.path, weights.fingerprint(weights.read(run.model)))
    channels, height, width = run.variant.image
    return Scored(
        scorer,
        str(run.path),
        (height, width, channels),
        trained_reading(run),
        run.config.dataset,
        run.config.classes,
    )


def of_export(folder: Path) -> Scored:
    """The scorer of exported graphs: no Keras is imported."""
    from ..export.infer import reading_of
    from ..export.runtime import OnnxAutoencoder

    graphs = OnnxAutoencoder(folder)
    dataset = classes = None
    asked = reading_of(graphs.info)
    if (folder.parent / "config.toml").is_file():
        run = Run(folder.parent)
        dataset, classes, asked = run.config.dataset, run.config.classes, trained_reading(run)
    return Scored(graphs.scorer, str(folder), graphs.info.image, asked, dataset, classes)
