"""One training run from its settings to its folder."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..analysis import plots
from ..analysis.metrics import noisy_error, squared_errors
from ..architecture.variant import Variant
from ..datasets.catalog import Dataset
from ..datasets.images import to_float
from ..datasets.noise import corrupted, corruption
from ..errors import DataError, UsageError
from ..models import torch_threads
from ..runs import environment, runs_dir
from ..runs.config import TrainConfig, configure
from ..runs.environment import describe
from ..runs.folder import Run
from ..runs.reopen import load_data
from ..system import backend, signals

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder


SHOWN = 10  # pairs of originals and reconstructions


def train(variant: str | Variant = "conv-avgpool", **settings: Any) -> Run:
    """Train a variant, named or a table of your own, and write its run folder; `settings` are the
    fields of `TrainConfig`.

    Gives the finished `Run`, with `model`, `history`, `metrics` and `path`. A line per epoch goes
    to stderr. Raises `UsageError` for a setting that cannot be used, `MissingDependencyError` for a
    backend that is not installed, `DataError` for data that is missing, broken or of another size
    than the variant's, `DivergedError` and `WriteError`.
    """
    return train_config(
        configure(
            **({"table": variant} if isinstance(variant, Variant) else {"variant": variant}), **settings
        )
    )


def train_config(config: TrainConfig) -> Run:
    """The same for settings that are complete."""
    backend.choose(config.backend, config.device)
    data = load_data(config)
    run = runs_dir.create(config)
    with run.locked(), signals.remedied(f"kae resume {run.path}"):
        run.write_variant(config.architecture(data.image_shape))
        run.write_environment(**describe(config, data))
        _finish(run, config, data)
    return run


def resume(
    run: Run, *, data_dir: Path | None = None, backend_name: str | None = None, inexact: bool = False
) -> Run:
    """Go on with a run that was stopped at any moment, from its newest checkpoint; a finished run
    is given back as it is.

    On the backend, versions and machine that it was started on, without a GPU, the result is bit
    for bit that of a run that was never stopped. Raises `UsageError` where that cannot be promised,
    unless `inexact`, and as `train` does.
    """
    if run.finished:
        run.checked("model.keras")
        return run
    given = {"data_dir": data_dir and str(data_dir), "backend": backend_name}
    config = configure(run.checked("config.toml"), **given)
    with run.locked(), signals.remedied(f"kae resume {run.path}"):
        backend.choose(config.backend, config.device)
        data = load_data(config)
        inexactly = list[str]()
        if (run.path / "environment.json").is_file():
            now = {**environment.versions(), **describe(config, data)}
            changed = {
                name: (then, now.get(name)) for name, then in run.environment.items() if now.get(name) != then
            }
            changed.pop("platform", None)  # the system's version
            earlier: list[str] = changed.pop("inexact", ([],))[0]
            if changed.pop("dataset_sha256", None):
                raise DataError(
                    f"{data.name} is not what run {run.path} was trained on: its content has another sha256."
                )
            if changed and not inexact:
                told = "; ".join(f"{name} was {then}, is {now}" for name, (then, now) in changed.items())
                raise UsageError(
                    f"run {run.path} cannot be resumed exactly: {told}.\n"
                    "To go on all the same: --allow-inexact"
                )
            inexactly = [
                *earlier,
                *(f"{name} was {then}, then {now}" for name, (then, now) in changed.items()),
            ]
            if changed:
                click.echo(
                    f"kae: inexact: {', '.join(changed)} changed since run {run.name} was started", err=True
                )
        run.write_config(config)
        run.write_variant(config.architecture(data.image_shape))
        run.write_environment(**describe(config, data), **({"inexact": inexactly} if inexactly else {}))
        _finish(run, config, data)
    return run


def _finish(run: Run, config: TrainConfig, data: Dataset) -> None:
    """Train from the newest checkpoint, or from the start, and write what a finished run has."""
    from ..models.build import build
    from ..runs import checkpoints
    from .fit import fit  # imports keras, so the backend is chosen first

    model = build(run.variant, config.seed)
    shown = to_float(data.test.images[:SHOWN])
    given = corrupted(shown, config.noise, config.seed + 1)
    before = reconstruct(model, given)
    with torch_threads.limited(torch_threads.of_step(run.variant, config.batch_size)):
        fit(model, data, config, run)
    run.write_model(model)
    model = run.model
    run.write_figure(
        "reconstructions", plots.before_and_after(shown, given, before, reconstruct(model, given))
    )
    metrics = {
        "train_mse": mean_squared_error(model, data.train.images),
        "test_mse": mean_squared_error(model, data.test.images),
    }
    if config.noise:
        noise = corruption(config.noise)
        metrics["noisy_test_mse"] = noisy_error(
            data.test.images, partial(reconstruct, model), noise, config.seed + 1
        )
    run.write_metrics(metrics)
    checkpoints.clear(run)


def reconstruct(model: "Autoencoder", images: np.ndarray) -> np.ndarray:
    """Reconstructions of float32 images of shape (n, H, W, C) in [0, 1]; the same shape."""
    return np.asarray(model.predict_on_batch(images))


def mean_squared_error(model: "Autoencoder", images: np.ndarray) -> float:
    """Mean squared error per pixel on [0, 1] over uint8 images of shape (n, H, W, C)."""
    return float(squared_errors(images, lambda chunk: reconstruct(model, chunk)).mean())
