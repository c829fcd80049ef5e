"""`model.fit` on one table and one image set: batches in an order of ours, Adam on the mean squared
error, a line per epoch.
"""

import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras

from ..datasets.augment import augmentation
from ..datasets.dataset import Dataset, Split
from ..datasets.images import chunk_size, to_float
from ..datasets.noise import Chance, corruption
from ..errors import CorruptFileError
from ..models import torch_threads
from ..models.autoencoder import Autoencoder
from ..models.batches import Batches
from ..runs import checkpoints
from ..runs.checkpoints import Checkpoint
from ..runs.config import TrainConfig
from ..runs.folder import Run
from ..system import devices, signals
from ..system.group import joined
from ..system.notes import say
from . import joint
from .averages import MeasureAverages, has_averages, not_finalized, take_averages
from .callbacks import Checkpoints, EpochBar, EpochReport, restore
from .extras import Extras
from .initial import initialise
from .last_bias import start_bias
from .optimizer import adam, total_steps
from .patience import Patience
from .statistics import settle_statistics, start_statistics

SHORT = 1000  # steps below which the moving statistics are set anew at the end
AT_ONCE = 16  # batches in one call on TensorFlow and JAX, at most: see `at_once`
AT_ONCE_WORK = 5e8  # multiplications in one such call, at most


def fit(model: Autoencoder, data: Dataset, config: TrainConfig, run: Run | None, extras: Extras) -> None:
    """Train the model as the config says, from the run's newest checkpoint where there is one. In a
    group of processes the first has the run, and ends with the model; the others have None.

    The run's history is written after each epoch, a value per epoch: `loss`, `val_loss` (on the
    test images, or on those kept for validation; with noise where there is some), `seconds`; for a
    variational model, whose losses are in nats per image, the parts of them too: `reconstruction`,
    `kl`, `val_reconstruction`, `val_kl`, whose sum is -ELBO.

    Raises `DivergedError` when a loss is not finite, `CorruptFileError` when no checkpoint can be
    read, and `WriteError`.
    """
    model.group = group = joined()
    _divide(model, config.batch_size)
    newest = joint.start(group, checkpoints.newest(run) if run else None)
    images = training_split(data, config).images
    start = newest or Checkpoint(0, 0, 0.0, {column: [] for column in columns(model)}, [])
    if run:
        _check(start, model, config, len(images), run)
    compile_model(model, config, len(images), extras)
    report = EpochReport(run, config, start.history, start.seconds, start.batch)
    callbacks: list[Any] = [report]
    if run:
        callbacks.append(Checkpoints(run, report, config.checkpoint_every, newest))
    if group:
        callbacks.append(joint.Alike(group))
    averages = has_averages(model.optimizer)
    if averages:
        callbacks.append(MeasureAverages(images))
    if config.patience:
        callbacks.append(Patience(run, report.history, config.patience, images if averages else None))
    if newest:
        say(f"from epoch {start.epoch + 1}, batch {start.batch + 1}")
    else:
        if config.init:
            say(initialise(model, Path(config.init), config.init_part))
        else:
            start_bias(model, training_split(data, config).wanted)
        start_statistics(model, to_float(images[: config.batch_size]))
    if run and newest and start.epoch == config.epochs:
        restore(model, start)
    # The rest of the epoch that was interrupted first: Keras takes the number of its batches once
    # per call.
    first = start.epoch + 1 if start.batch else start.epoch
    for begin, end, skipped in ((start.epoch, first, start.batch), (first, config.epochs, 0)):
        if begin < end and not model.stop_training:
            _fit(model, data, config, [*callbacks, *extras.callbacks], begin, end, skipped)
    model.group = None
    if run is None:
        return
    if averages:
        take_averages(model, images)
    if config.patience and (weights := checkpoints.best(run)):
        model.set_weights(weights)
    if len(start.history["loss"]) * math.ceil(len(images) / config.batch_size) < SHORT:
        settle_statistics(model, images)


def _divide(model: Autoencoder, batch_size: int) -> None:
    """Have the devices share each batch, where several were asked for."""
    if not (found := devices.of_training()):
        return
    model.devices = tuple(found)
    if batch_size % len(found):
        wanted = math.ceil(batch_size / len(found)) * len(found)
        what = f"batches of {batch_size} do not divide among {len(found)} devices"
        say(f"kae: {what}: each computes all; --batch-size {wanted} would")


def columns(model: Autoencoder) -> list[str]:
    """The columns of the history of a model."""
    terms = ["reconstruction", "kl", "val_reconstruction", "val_kl"] if model.variant.variational else []
    return ["loss", "val_loss", *terms, "seconds"]


def _check(start: Checkpoint, model: Autoencoder, config: TrainConfig, images: int, run: Run) -> None:
    """Raise `CorruptFileError` for a checkpoint of another run."""
    batches = math.ceil(images / config.batch_size)
    beyond = start.epoch + (start.batch > 0) > config.epochs or start.batch >= batches
    if beyond or list(start.history) != columns(model):
        raise CorruptFileError(
            f"the checkpoint is of epoch {start.epoch + 1}, batch {start.batch + 1} of another run "
            f"than {run.path}."
        )


def compile_model(model: Autoencoder, config: TrainConfig, images: int, extras: Extras) -> None:
    """Compile for so many training images, with Adam on the mean squared error by default."""
    if model.variant.variational:
        model.likelihood = config.likelihood
    model.precision = config.precision
    model.compile(
        optimizer=adam(config, images) if extras.optimizer is None else extras.optimizer,
        loss="mse" if extras.loss is None else extras.loss,
        steps_per_execution=at_once(model, config.batch_size, config.checkpoint_every),
    )
    model.optimizer.build(model.trainable_variables)


def at_once(model: Autoencoder, batch_size: int, checkpoint_every: str | None = None) -> int:
    """How many batches Keras is to train on between two calls of the callbacks:
    `steps_per_execution`.

    One on torch, where Keras allows no more. Small steps gain the most by it; with large ones an
    interruption would have to wait for too many. The number of batches after which a checkpoint is
    due is a multiple of it.
    """
    if keras.backend.backend() == "torch":
        return 1
    most = max(1, min(AT_ONCE, int(AT_ONCE_WORK / torch_threads.work(model.variant, batch_size))))
    if not checkpoint_every or checkpoint_every.endswith("s"):
        return most
    return max(count for count in range(1, most + 1) if int(checkpoint_every) % count == 0)


def training_split(data: Dataset, config: TrainConfig) -> Split:
    """The training images without those kept for validation."""
    return data.train.take(slice(len(data.train.images) - config.validation))


def chances(model: Autoencoder, config: TrainConfig, images: int) -> tuple[Chance | None, Chance | None]:
    """What is drawn at random for so many training images, and for those that are looked at after
    each epoch: for these always the same.
    """
    latent = model.variant.latent if model.variant.variational else 0
    noise = corruption(config.noise) if config.noise else None
    dynamic = config.binarize == "dynamic"
    augment = augmentation(config.augment) if config.augment else None
    if not (noise or latent or dynamic or augment):
        return None, None
    warm_up = round(config.kl_warm_up * total_steps(config, images))
    drawn, steady = config.seed, config.seed + 1
    return (
        Chance(drawn, noise, latent, config.beta, warm_up, dynamic, augment, config.importance),
        # those kept by --validation are grey, and as they are
        Chance(steady, noise, latent, binarize=dynamic, importance=config.importance),
    )


def _fit(
    model: Autoencoder,
    data: Dataset,
    config: TrainConfig,
    callbacks: list[Any],
    begin: int,
    end: int,
    skipped: int,
) -> None:
    train = training_split(data, config)
    images = train.images
    chance, steady = chances(model, config, len(images))
    share = model.group.share if model.group else None
    batches = Batches(images, config.batch_size, config.seed, skipped, chance, share, train.targets)
    seen = data.train.take(slice(len(images), None)) if config.validation else data.test
    size = max(1, chunk_size(seen.images) // config.importance)
    order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch))
    with ExitStack() as stack:
        stack.enter_context(signals.deferred(together=share is not None))
        bar = stack.enter_context(EpochBar())
        if has_averages(model.optimizer):
            stack.enter_context(not_finalized(model.optimizer))
        model.fit(
            batches,
            validation_data=Batches(seen.images, size, chance=steady, share=share, targets=seen.targets),
            initial_epoch=begin,
            epochs=end,
            callbacks=[order, bar, *callbacks],
            verbose=0,
        )
