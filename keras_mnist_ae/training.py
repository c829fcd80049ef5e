"""One training run from its settings to its folder."""

import dataclasses
import os
import platform
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from . import backend, datasets, evaluation, gallery, interruption, runs, threads
from .architecture import Variant, text
from .chance import corruption
from .config import TrainConfig, configure
from .errors import CorruptFileError, DataError, UsageError
from .images import to_float

if TYPE_CHECKING:
    from .model import Autoencoder

SHOWN = 10  # pairs of originals and reconstructions


def train(variant: str | Variant = "conv-avgpool", **settings: Any) -> runs.Run:
    """Train a variant, named or a table of your own, and write its run folder; `settings` are the fields of `TrainConfig`.

    Gives the finished `Run`, with `model`, `history`, `metrics` and `path`. A line per epoch goes to stderr. Raises `UsageError` for a
    setting that cannot be used, `MissingDependencyError` for a backend that is not installed, `DataError` for data that is missing,
    broken or of another size than the variant's, `DivergedError` and `WriteError`.
    """
    return train_config(configure(**({"table": variant} if isinstance(variant, Variant) else {"variant": variant}), **settings))


def train_config(config: TrainConfig) -> runs.Run:
    """The same for settings that are complete."""
    backend.choose(config.backend, config.device)
    data = load_data(config)
    run = runs.create(config)
    with run.locked(), interruption.remedied(f"kae resume {run.path}"):
        run.write_variant(config.architecture(data.image_shape))
        run.write_environment(**_environment(config, data))
        _finish(run, config, data)
    return run


def resume(run: runs.Run, *, data_dir: Path | None = None, backend_name: str | None = None, inexact: bool = False) -> runs.Run:
    """Go on with a run that was stopped at any moment, from its newest checkpoint; a finished run is given back as it is.

    On the backend, versions and machine that it was started on, without a GPU, the result is bit for bit that of a run that was never
    stopped. Raises `UsageError` where that cannot be promised, unless `inexact`, and as `train` does.
    """
    if run.finished:
        run.checked("model.keras")
        return run
    given = {"data_dir": data_dir and str(data_dir), "backend": backend_name}
    config = configure(run.checked("config.toml"), **given)
    with run.locked(), interruption.remedied(f"kae resume {run.path}"):
        backend.choose(config.backend, config.device)
        data = load_data(config)
        inexactly = list[str]()
        if (run.path / "environment.json").is_file():
            now = {**runs.versions(), **_environment(config, data)}
            changed = {name: (then, now.get(name)) for name, then in run.environment.items() if now.get(name) != then}
            changed.pop("platform", None)  # the system's version
            earlier: list[str] = changed.pop("inexact", ([],))[0]
            if changed.pop("dataset_sha256", None):
                raise DataError(f"{data.name} is not what run {run.path} was trained on: its content has another sha256.")
            if changed and not inexact:
                told = "; ".join(f"{name} was {then}, is {now}" for name, (then, now) in changed.items())
                raise UsageError(f"run {run.path} cannot be resumed exactly: {told}.\nTo go on all the same: --allow-inexact")
            inexactly = [*earlier, *(f"{name} was {then}, then {now}" for name, (then, now) in changed.items())]
            if changed:
                click.echo(f"kae: inexact: {', '.join(changed)} changed since run {run.name} was started", err=True)
        run.write_config(config)
        run.write_variant(config.architecture(data.image_shape))
        run.write_environment(**_environment(config, data), **({"inexact": inexactly} if inexactly else {}))
        _finish(run, config, data)
    return run


def _finish(run: runs.Run, config: TrainConfig, data: datasets.Dataset) -> None:
    """Train from the newest checkpoint, or from the start, and write what a finished run has."""
    from . import checkpoints
    from .fitting import fit  # imports keras, so the backend is chosen first
    from .model import build

    model = build(run.variant, config.seed)
    shown = to_float(data.test.images[:SHOWN])
    given = gallery.noisy(shown, config)
    before = reconstruct(model, given)
    with threads.limited(threads.of_step(run.variant, config.batch_size)):
        fit(model, data, config, run)
    run.write_model(model)
    model = run.model
    run.write_figure("reconstructions", gallery.before_and_after(shown, given, before, reconstruct(model, given)))
    metrics = {
        "train_mse": mean_squared_error(model, data.train.images),
        "test_mse": mean_squared_error(model, data.test.images),
    }
    if config.noise:
        noise = corruption(config.noise)
        metrics["noisy_test_mse"] = evaluation.noisy_error(data.test.images, partial(reconstruct, model), noise, config.seed + 1)
    run.write_metrics(metrics)
    checkpoints.clear(run)


def _environment(config: TrainConfig, data: datasets.Dataset) -> dict[str, Any]:
    """What the bits of a result hang on, beside the settings."""
    import keras

    here = {"processor": _processor(), "floatx": keras.config.floatx(), "image_data_format": keras.config.image_data_format()}
    if config.backend == "torch":
        import torch

        here["instructions"] = torch.backends.cpu.get_cpu_capability()
    of_step = threads.of_step(config.architecture(data.image_shape), config.batch_size)
    return {
        **here,
        "backend": config.backend,
        config.backend: sys.modules[config.backend].__version__,
        "device": backend.device_name(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(of_step or "unset"),
        "dataset": data.name,
        "dataset_sha256": data.sha256,
        "train_images": len(data.train.images),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def load_data(config: TrainConfig) -> datasets.Dataset:
    """The dataset of a config, its training images cut to `limit`. Raises `DataError` and `UsageError` when config and data do not fit."""
    data = datasets.load(config.dataset, Path(config.data_dir) if config.data_dir else None, fit=config.fit)
    variant = config.architecture(data.image_shape)
    if data.image_shape != variant.image:
        raise DataError(
            f"the images of {config.dataset!r} are {text(data.image_shape)} (channels x height x width), "
            f"but {config.variant} takes {text(variant.image)}.\n"
            "Fit the images to it (--resize), or train a variant that fits them: kae train conv"
        )
    images, labels = data.train.images[: config.limit], data.train.labels
    data = dataclasses.replace(data, train=datasets.Split(images, None if labels is None else labels[: config.limit]))
    if config.batch_size > len(images) - config.validation:
        kept = f" without the {config.validation} kept for validation" if config.validation else ""
        left = len(images) - config.validation
        remedy = f"Give --batch-size {left} or less." if left > 0 else "Keep fewer of them out: --validation."
        raise UsageError(f"batch_size is {config.batch_size}, more than the {max(left, 0)} training images{kept}.\n{remedy}")
    return data


def reopen(run: runs.Run, data_dir: Path | None = None) -> tuple["Autoencoder", datasets.Dataset]:
    """The model of a finished run, on the run's backend, and the dataset it was trained on; `data_dir` where the data lie elsewhere now.

    Raises as `train` does, `UsageError` for a run that was not finished, and `CorruptFileError` for one whose files cannot be read.
    """
    run.metrics  # noqa: B018  (written last)
    backend.choose(run.config.backend)
    data = reopen_data(run, data_dir)
    if run.model.variant.name != run.config.variant:
        raise CorruptFileError(f"{run.path} says {run.config.variant}, but its model.keras is a {run.model.variant.name}")
    return run.model, data


def reopen_data(run: runs.Run, data_dir: Path | None = None) -> datasets.Dataset:
    """The dataset alone: no Keras is needed for it."""
    data = load_data(dataclasses.replace(run.config, data_dir=str(data_dir)) if data_dir else run.config)
    if data.sha256 != run.environment.get("dataset_sha256"):
        raise DataError(
            f"{data.name} is not what run {run.path} was trained on: its content has another sha256.\nName the right --data-dir."
        )
    return data


def reconstruct(model: "Autoencoder", images: np.ndarray) -> np.ndarray:
    """Reconstructions of float32 images of shape (n, H, W, C) in [0, 1]; the same shape."""
    return np.asarray(model.predict_on_batch(images))


def mean_squared_error(model: "Autoencoder", images: np.ndarray) -> float:
    """Mean squared error per pixel on [0, 1] over uint8 images of shape (n, H, W, C)."""
    return float(evaluation.squared_errors(images, lambda chunk: reconstruct(model, chunk)).mean())
