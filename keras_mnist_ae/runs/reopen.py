"""A run opened again: its dataset and its model."""

import dataclasses
import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..architecture.shapes import text
from ..datasets.augment import augmentation
from ..datasets.binarize import binarized
from ..datasets.catalog import load
from ..datasets.classes import numbers, only
from ..datasets.dataset import Dataset, Split
from ..datasets.frameworks import IN_MEMORY, in_memory
from ..datasets.reading import Reading
from ..datasets.user_files import is_path
from ..errors import CorruptFileError, DataError, UsageError
from ..system import backend
from ..system.notes import say
from .config import TrainConfig
from .folder import Run
from .reading import trained_reading
from .samples import read_samples

if TYPE_CHECKING:
    from ..architecture.variant import Variant
    from ..models.autoencoder import Autoencoder


def load_data(config: TrainConfig, dataset: Any = None, reading: Reading | None = None) -> Dataset:
    """The dataset of a config, its training images of the chosen classes and cut to `limit`.

    Args:
        dataset: what the config was made for, which may lie in memory: all that `kae.train` takes.
        reading: how images at a path are read; None reads them as the config says.

    Raises:
        DataError: The images are not those that the variant takes.
        UsageError: A batch is larger than the training set.
    """
    if not isinstance(dataset, str | PathLike | None):
        if config.target:
            raise UsageError("target is for images at a path; give kae.Dataset.from_arrays(..., targets=...)")
        return check(config, in_memory(dataset, config.reading))
    if config.dataset == IN_MEMORY:
        raise DataError(
            "the run was trained on arrays from Python, which it does not keep.\n"
            "Give them again in Python, as dataset; commands that measure take --dataset PATH"
        )
    if config.data_dir and is_path(config.dataset):
        say("kae: the data folder is not used: the dataset is a path")
    data_dir = Path(config.data_dir) if config.data_dir else None
    target = Path(config.target) if config.target else None
    return check(config, load(config.dataset, data_dir, reading=reading or config.reading, target=target))


def check(config: TrainConfig, data: Dataset) -> Dataset:
    """The data as a config takes them: see `load_data`."""
    variant = config.architecture(data.image_shape)
    if data.image_shape != variant.image:
        fitting = "vae-conv" if variant.variational else "conv"
        raise DataError(
            f"the images of {config.dataset!r} are {text(data.image_shape)} "
            f"(channels x height x width), but {config.variant} takes {text(variant.image)}.\n"
            f"Fit the images to it (--resize), or train a variant that fits them: kae train {fitting}"
        )
    if data.train.targets is not None:
        _check_targets(config, variant)
    if config.augment:
        augmentation(config.augment).check(*data.image_shape[1:])
    data = binarized(data, config.binarize) if config.binarize else data
    data = only(data, config.classes) if config.classes else data
    data = _limited(data, config.limit)
    validation = config.validation or data.validation
    if "batch_size" in config.given and config.batch_size > len(data.train.images) - validation:
        kept = f" without the {validation} kept for validation" if validation else ""
        left = len(data.train.images) - validation
        remedy = f"Give --batch-size {left} or less."
        if left <= 0:
            remedy = "Keep fewer of them out: --validation."
        raise UsageError(
            f"batch_size is {config.batch_size}, more than the {max(left, 0)} training images{kept}.\n"
            f"{remedy}"
        )
    return data


def _check_targets(config: TrainConfig, variant: "Variant") -> None:
    """Raise `UsageError` for what needs the images themselves to come out."""
    for name in ("noise", "binarize"):
        if getattr(config, name):
            raise UsageError(f"{name} and target exclude each other: both say what goes in")
    if variant.variational:
        raise UsageError(f"a target is for variants that are not variational; {variant.name} is")


def _limited(data: Dataset, limit: int | None) -> Dataset:
    """The first training images, and all of the validation split at their end."""
    images = len(data.train.images)
    count = images - data.validation
    if limit is None or limit >= count:
        return data
    at = np.r_[:limit, count:images] if data.validation else slice(limit)
    return dataclasses.replace(data, train=data.train.take(at))


def reopen(
    run: Run,
    data_dir: Path | None = None,
    dataset: Any = None,
    *,
    samples: bool = False,
) -> tuple["Autoencoder", Dataset]:
    """The model of a finished run, on the run's backend, and a dataset: see `reopen_data`.

    Raises:
        UsageError: The run was not finished.
        CorruptFileError: Its files cannot be read.
    """
    run.require_finished()
    backend.choose(run.config.backend)
    data = reopen_data(run, data_dir, dataset, samples=samples)
    if run.model.variant.name != run.config.variant:
        raise CorruptFileError(
            f"{run.path} says {run.config.variant}, but its model.keras is a {run.model.variant.name}"
        )
    return run.model, data


def reopen_data(
    run: Run,
    data_dir: Path | None = None,
    dataset: Any = None,
    *,
    samples: bool = False,
) -> Dataset:
    """The dataset that a run was trained on; no Keras is needed for it.

    Args:
        data_dir: where the data lie now.
        dataset: the path where they lie now, or other data, read as the run's; in Python also
            arrays and all that `kae.train` takes. A pair of paths is of what goes in, None for the
            run's, and of what is to come out.
        samples: where the data are not at hand, the few test images that the run keeps will do.

    Raises:
        DataError: The data are missing, or have changed.
    """
    if isinstance(dataset, PathLike):
        dataset = os.fspath(dataset)
    if dataset is None and run.data is not None:
        return run.data
    target = None
    if isinstance(dataset, tuple) and all(isinstance(path, str | PathLike | None) for path in dataset):
        dataset, target = (path and os.fspath(path) for path in dataset)
    if dataset is not None and not isinstance(dataset, str):
        return _of_that_size(run, in_memory(dataset, trained_reading(run)))
    changes: dict[str, str | None] = {}
    if data_dir:
        changes["data_dir"] = str(data_dir)
    if dataset:
        changes["dataset"] = str(Path(dataset).absolute()) if is_path(dataset) else dataset
        if run.config.target and not target:
            changes["target"] = None
            say("kae: without the run's targets (--target): what is to come out are the images themselves")
    if target:
        changes["target"] = str(Path(target).absolute())
    try:
        config = dataclasses.replace(run.config, **changes)  # type: ignore[arg-type]
        data = load_data(config, reading=trained_reading(run) if dataset else None)
        if not (dataset or target) and data.sha256 != run.environment.get("dataset_sha256"):
            raise DataError(_changed(run, data))
    except DataError as error:
        kept = read_samples(run) if samples and not (dataset or target) else None
        if kept is None:
            raise
        reason = str(error).splitlines()[0]
        say(f"kae: {reason}\nkae: using {len(kept.test.images)} test images that the run keeps")
        return kept
    return data


def _of_that_size(run: Run, data: Dataset) -> Dataset:
    if data.image_shape != run.variant.image:
        raise DataError(
            f"the images of {data.name} are {text(data.image_shape)} (channels x height x width), but run "
            f"{run.path} takes {text(run.variant.image)}."
        )
    return data


def is_own(run: Run, data: Dataset) -> bool:
    """Whether these are the data that the run was trained on."""
    return data.sha256 == run.environment.get("dataset_sha256")


def _changed(run: Run, data: Dataset) -> str:
    then = run.environment.get("train_images")
    now = len(data.train.images)
    grown = (
        f"it has {now - then:+,} training images"
        if isinstance(then, int) and now != then
        else ("its content has another sha256")
    )
    return (
        f"{data.name} is not what run {run.path} was trained on: {grown}.\n"
        "Name the right --data-dir, or say that other data are meant: --dataset PATH"
    )


def scored_data(
    run: Run, source: str, data_dir: Path | None, normal: str | None
) -> tuple[Dataset, list[int] | None]:
    """A dataset whose test images are to be scored, read as the run's, and the numbers of its
    normal classes; a path is taken as a whole.
    """
    data = load(source, data_dir, reading=trained_reading(run))
    if data.image_shape != run.variant.image:
        raise DataError(
            f"the images of {source!r} are {text(data.image_shape)}, but the run takes "
            f"{text(run.variant.image)}.\nTrain with --resize to have others made to fit."
        )
    if is_path(source):
        labels = (data.train.labels, data.test.labels)
        both = None if labels[0] is None or labels[1] is None else np.concatenate([labels[0], labels[1]])
        images = np.concatenate([data.train.images, data.test.images])
        data = dataclasses.replace(data, test=Split(images, both))
    classes = normal or run.config.classes
    known = classes is not None and data.test.labels is not None
    return data, numbers(data, str(classes)) if known else None
