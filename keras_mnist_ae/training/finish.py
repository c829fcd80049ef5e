"""From settings, data and maybe a checkpoint to a finished run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import latent, plots
from ..analysis.baselines import baselines
from ..analysis.codec import Codec, of_model
from ..analysis.metrics import noisy_error, squared_errors
from ..analysis.verdict import verdict
from ..architecture.recipes import find
from ..architecture.variant import Variant
from ..datasets.classes import numbers as class_numbers
from ..datasets.dataset import Dataset
from ..datasets.images import Images
from ..datasets.noise import corruption, first_images
from ..models import torch_threads
from ..runs import leftovers
from ..runs.checksums import to_json
from ..runs.config import TrainConfig
from ..runs.folder import Run
from ..runs.samples import write_samples
from .extras import Extras

if TYPE_CHECKING:
    from ..models.autoencoder import Autoencoder

SHOWN = 10  # pairs of originals and reconstructions
LOOKED_AT = 1000  # codes of training images, for the verdict


def finish(run: Run, config: TrainConfig, data: Dataset, extras: Extras) -> None:
    """Train from the newest checkpoint, or from the start, and write what a finished run has."""
    from ..models.build import build
    from .fit import fit  # imports keras, so the backend is chosen first

    model = build(run.variant, config.seed)
    _, inputs = first_images(data.test, SHOWN, config.noise, config.seed + 1)
    before = of_model(model).reconstruct(inputs)
    with torch_threads.limited(torch_threads.of_step(run.variant, config.batch_size)):
        fit(model, data, config, run, extras)
    write(run, config, data, model, before)


def follow(variant: Variant, config: TrainConfig, data: Dataset, extras: Extras) -> None:
    """Train beside the process that has the run folder."""
    from ..models.build import build
    from .fit import fit

    model = build(variant, config.seed)
    with torch_threads.limited(torch_threads.of_step(variant, config.batch_size)):
        fit(model, data, config, None, extras)


def write(run: Run, config: TrainConfig, data: Dataset, model: "Autoencoder", before: Images) -> None:
    """Write what a finished run has for a trained model: its file, pictures, errors and verdict.

    Args:
        before: the first test images as the untrained model reconstructed them.
    """
    run.write_model(model)
    wanted, inputs = first_images(data.test, SHOWN, config.noise, config.seed + 1)
    codec = of_model(run.model)
    figure = plots.before_and_after(wanted, inputs, before, codec.reconstruct(inputs))
    run.write_figure("reconstructions", figure)
    if config.samples:
        write_samples(run, data)
    errors = metrics(config, data, codec)
    run.write_text("verdict.json", to_json(judged(run, data, codec, errors)))
    run.write_metrics(errors)
    leftovers.remove(run.path, finished=True)


def metrics(config: TrainConfig, data: Dataset, codec: Codec) -> dict[str, float]:
    """The errors of the trained model, on [0, 1]."""
    errors = {
        "train_mse": float(squared_errors(data.train, codec.reconstruct).mean()),
        "test_mse": float(squared_errors(data.test, codec.reconstruct).mean()),
    }
    if config.noise:
        errors["noisy_test_mse"] = noisy_error(
            data.test.images, codec.reconstruct, corruption(config.noise), config.seed + 1
        )
    return errors


def judged(run: Run, data: Dataset, codec: Codec, errors: Mapping[str, float]) -> dict[str, Any]:
    """What the errors mean beside those of a PCA and of the mean image, in sentences; on the test
    images of the classes that were trained on.
    """
    test = data.test
    if run.config.classes and data.test.labels is not None:
        test = test.take(np.isin(data.test.labels, class_numbers(data, run.config.classes)))
        error = float(squared_errors(test, codec.reconstruct).mean())
        errors = {**errors, "test_mse": error}
    beside = baselines(data, test, run.variant.latent)
    beside = {name: value for name, value in beside.items() if name.endswith("_mse")}
    codes = latent.encoded(data.train.images[:LOOKED_AT], codec)
    collapsed, counted = latent.collapsed(codes), dict[str, int]()
    if run.variant.variational and len(codes) > 1:
        collapsed = collapsed or latent.inactive(codes)
        counted = {"active_units": latent.active_units(codes)}
    best = find(run.variant, "best")
    sentences = verdict(
        run.history, {**errors, **beside}, collapsed, best != find(run.variant, run.config.recipe)
    )
    return {**beside, **counted, "verdict": sentences}
