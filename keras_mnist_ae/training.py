"""One training run from its settings to its folder."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import backend, datasets, evaluation, figures, runs
from .architecture import text
from .config import TrainConfig, configure
from .errors import CorruptFileError, DataError, UsageError
from .variants import find

if TYPE_CHECKING:
    from .model import Autoencoder

SHOWN = 10  # pairs of originals and reconstructions


def train(variant: str = "conv-avgpool", **settings: Any) -> runs.Run:
    """Train a variant and write its run folder; `settings` are the fields of `TrainConfig`.

    Gives the finished `Run`, with `model`, `history`, `metrics` and `path`. A line per epoch goes to stderr. Raises `UsageError` for a
    setting that cannot be used, `MissingDependencyError` for a backend that is not installed, `DataError` for data that is missing,
    broken or of another size than the variant's, `DivergedError` and `WriteError`.
    """
    return train_config(configure(variant=variant, **settings))


def train_config(config: TrainConfig) -> runs.Run:
    """The same for settings that are complete."""
    backend.choose(config.backend, config.device)
    data = load_data(config)
    run = runs.create(config)
    from .fitting import fit  # imports keras, so the backend is chosen first
    from .model import build

    run.write_environment(
        backend=config.backend,
        **{config.backend: sys.modules[config.backend].__version__},
        device=backend.device_name(),
        dataset=data.name,
        dataset_sha256=data.sha256,
        train_images=len(data.train.images),
    )
    model = build(config.variant, config.seed)
    shown = next(evaluation.chunks(data.test.images[:SHOWN]))
    before = reconstruct(model, shown)
    fit(model, data, config, keep=run.write_history)
    run.write_model(model)
    picture = figures.reconstructions({"original": shown, "before training": before, "after training": reconstruct(model, shown)})
    figures.save(picture, run.figures / "reconstructions.png")
    run.write_metrics(
        {
            "train_mse": mean_squared_error(model, data.train.images),
            "test_mse": mean_squared_error(model, data.test.images),
        }
    )
    return run


def load_data(config: TrainConfig) -> datasets.Dataset:
    """The dataset of a config, its training images cut to `limit`. Raises `DataError` and `UsageError` when config and data do not fit."""
    data = datasets.load(config.dataset, Path(config.data_dir) if config.data_dir else None)
    variant = find(config.variant)
    if data.image_shape != variant.image:
        raise DataError(
            f"the images of {config.dataset!r} are {text(data.image_shape)} (channels x height x width), "
            f"but {config.variant} takes {text(variant.image)}.\nChoose another --dataset (kae data list) or variant (kae models)."
        )
    images, labels = data.train.images[: config.limit], data.train.labels
    data = dataclasses.replace(data, train=datasets.Split(images, None if labels is None else labels[: config.limit]))
    if config.batch_size > len(images):
        raise UsageError(f"batch_size is {config.batch_size}, more than the {len(images)} training images")
    return data


def reopen(run: runs.Run, data_dir: Path | None = None) -> tuple["Autoencoder", datasets.Dataset]:
    """The model of a finished run, on the run's backend, and the dataset it was trained on; `data_dir` where the data lie elsewhere now.

    Raises as `train` does, `UsageError` for a run that was not finished, and `CorruptFileError` for one whose files cannot be read.
    """
    run.metrics  # noqa: B018  (written last)
    config = dataclasses.replace(run.config, data_dir=str(data_dir)) if data_dir else run.config
    backend.choose(config.backend)
    data = load_data(config)
    if data.sha256 != run.environment.get("dataset_sha256"):
        raise DataError(
            f"{data.name} is not what run {run.path} was trained on: its content has another sha256.\nName the right --data-dir."
        )
    if run.model.variant.name != config.variant:
        raise CorruptFileError(f"{run.path} says {config.variant}, but its model.keras is a {run.model.variant.name}")
    return run.model, data


def reconstruct(model: "Autoencoder", images: np.ndarray) -> np.ndarray:
    """Reconstructions of float32 images of shape (n, H, W, C) in [0, 1]; the same shape."""
    return np.asarray(model.predict_on_batch(images))


def mean_squared_error(model: "Autoencoder", images: np.ndarray) -> float:
    """Mean squared error per pixel on [0, 1] over uint8 images of shape (n, H, W, C)."""
    return float(evaluation.squared_errors(images, lambda chunk: reconstruct(model, chunk)).mean())
