"""A run opened again: its dataset and its model."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from ..architecture.shapes import text
from ..datasets.catalog import Dataset, Split, load
from ..errors import CorruptFileError, DataError, UsageError
from ..system import backend
from .config import TrainConfig
from .folder import Run

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder


def load_data(config: TrainConfig) -> Dataset:
    """The dataset of a config, its training images cut to `limit`. Raises `DataError` and
    `UsageError` when config and data do not fit.
    """
    data = load(config.dataset, Path(config.data_dir) if config.data_dir else None, fit=config.fit)
    variant = config.architecture(data.image_shape)
    if data.image_shape != variant.image:
        raise DataError(
            f"the images of {config.dataset!r} are {text(data.image_shape)} (channels x height x width), "
            f"but {config.variant} takes {text(variant.image)}.\n"
            "Fit the images to it (--resize), or train a variant that fits them: kae train conv"
        )
    images, labels = data.train.images[: config.limit], data.train.labels
    data = dataclasses.replace(data, train=Split(images, None if labels is None else labels[: config.limit]))
    if config.batch_size > len(images) - config.validation:
        kept = f" without the {config.validation} kept for validation" if config.validation else ""
        left = len(images) - config.validation
        remedy = f"Give --batch-size {left} or less." if left > 0 else "Keep fewer of them out: --validation."
        raise UsageError(
            f"batch_size is {config.batch_size}, more than the {max(left, 0)} training images{kept}.\n"
            f"{remedy}"
        )
    return data


def reopen(run: Run, data_dir: Path | None = None) -> tuple["Autoencoder", Dataset]:
    """The model of a finished run, on the run's backend, and the dataset it was trained on;
    `data_dir` where the data lie elsewhere now.

    Raises as `train` does, `UsageError` for a run that was not finished, and `CorruptFileError` for
    one whose files cannot be read.
    """
    run.metrics  # noqa: B018  (written last)
    backend.choose(run.config.backend)
    data = reopen_data(run, data_dir)
    if run.model.variant.name != run.config.variant:
        raise CorruptFileError(
            f"{run.path} says {run.config.variant}, but its model.keras is a {run.model.variant.name}"
        )
    return run.model, data


def reopen_data(run: Run, data_dir: Path | None = None) -> Dataset:
    """The dataset alone: no Keras is needed for it."""
    data = load_data(dataclasses.replace(run.config, data_dir=str(data_dir)) if data_dir else run.config)
    if data.sha256 != run.environment.get("dataset_sha256"):
        raise DataError(
            f"{data.name} is not what run {run.path} was trained on: its content has another sha256.\n"
            "Name the right --data-dir."
        )
    return data
