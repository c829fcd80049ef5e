"""A run folder for a model that was fitted by hand."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from ..analysis.codec import of_model
from ..analysis.elbo import evidence
from ..analysis.metrics import squared_errors
from ..architecture.variants import VARIANTS
from ..datasets.dataset import Dataset
from ..datasets.frameworks import IN_MEMORY, name_of
from ..datasets.noise import first_images
from ..errors import UsageError
from ..runs import runs_dir as folder_of_runs
from ..runs.config import configure
from ..runs.environment import describe
from ..runs.folder import Run
from ..runs.reopen import load_data
from ..system.notes import say
from .finish import SHOWN, write

BY_HAND = {"custom": {"fitted": "by hand"}}


def from_model(
    model: Any,
    dataset: Any,
    *,
    history: Any = None,
    runs_dir: str | PathLike[str] = "runs",
    name: str | None = None,
    **settings: Any,
) -> Run:
    """A finished run of a model that was fitted by hand: see `Run.from_model`."""
    from ..models.autoencoder import Autoencoder
    from ..models.build import build
    from .fit import columns

    if not isinstance(model, Autoencoder):
        kind = type(model).__name__
        raise UsageError(f"model is of type {kind}; give an Autoencoder, such as kae.build makes")
    history = getattr(history or getattr(model, "history", None), "history", history) or {}
    variant = model.variant
    known = VARIANTS.get(variant.name) == variant
    named = {"variant": variant.name} if known else {"table": variant}
    seen = {"epochs": len(history["loss"])} if history.get("loss") else {}
    if variant.variational:
        settings.setdefault("likelihood", model.likelihood)
    place = {"dataset": name_of(dataset), "runs_dir": runs_dir, "name": name}
    config = configure(**{**named, **place, **seen, **settings})
    data = load_data(config, dataset)
    run = folder_of_runs.create(config)
    with run.locked():
        run.write_variant(variant)
        run.write_environment(**describe(config, data), **BY_HAND)
        run.write_history(_whole(history, columns(model), model, data))
        untrained = build(variant, config.seed)
        _, inputs = first_images(data.test, SHOWN, config.noise, config.seed + 1)
        write(run, config, data, model, of_model(untrained).reconstruct(inputs))
    run.data = data if config.dataset == IN_MEMORY else None
    return run


def _whole(
    history: Mapping[str, Any], columns: list[str], model: Any, data: Dataset
) -> dict[str, list[float]]:
    """The history with a column for each that a run has; of the model as it is where one is
    missing.
    """
    epochs = len(history.get("loss", ()))
    measured = [column for column in columns if column != "seconds"]
    if epochs and all(len(history.get(column, ())) == epochs for column in measured):
        whole = {column: [float(value) for value in history[column]] for column in measured}
        return {**whole, "seconds": [0.0] * epochs}
    if epochs:
        line = "kae: the model was fitted without validation_data: its history holds the model as it is"
        say(line)
    row: dict[str, float] = {}
    for prefix, split in (("", data.train), ("val_", data.test)):
        if model.variant.variational:
            found = evidence(model, split.images, model.likelihood)
            row |= {f"{prefix}{part}": found[part] for part in ("reconstruction", "kl")}
            row[f"{prefix}loss"] = found["negative_elbo"]
        else:
            row[f"{prefix}loss"] = float(squared_errors(split, of_model(model).reconstruct).mean())
    return {**{column: [row[column]] for column in measured}, "seconds": [0.0]}
