"""`model.fit` on one table and one image set: batches in an order of ours, Adam on the mean squared error, a line per epoch."""

import math
import sys
import time
from contextlib import ExitStack, suppress
from typing import Any

from .model import Autoencoder

# isort: split
import click
import keras
import numpy as np

from . import checkpoints, interruption, threads
from .architecture import BATCH_NORM_MOMENTUM
from .batches import Batches
from .chance import Chance, corruption
from .checkpoints import Checkpoint
from .config import TrainConfig
from .datasets import Dataset
from .errors import CorruptFileError, DivergedError
from .images import chunk_size, to_float
from .runs import Run

History = dict[str, list[float]]

# Keras counts it as sqrt(1 - beta_2) times this: PyTorch adds it after the bias correction of the second moment, Keras before (the paper's
# "epsilon hat"), so that both are the same at the first step. It matters: gradients of a mean over 784 pixels are small, and at 1e-8
# conv-k15 never learns.
PYTORCH_EPSILON = 1e-8

AT_ONCE = 16  # batches in one call on TensorFlow and JAX, at most: see `at_once`

EVERY = "60s"  # between checkpoints
COST = 0.02  # part of the time that those after each epoch may take


class EpochReport(keras.callbacks.Callback):
    """Keeps the history and tells it, one line per epoch on stderr, and stops at a loss that is no number and after a signal."""

    def __init__(self, run: Run, config: TrainConfig, history: History, seconds: float, skipped: int) -> None:
        super().__init__()
        self.total = config.epochs
        self.seen = ("noisy " if config.noise else "") + ("validation" if config.validation else "test")
        self._rate = config.learning_rate
        self.history = history
        self.skipped = skipped
        self._run = run
        self._earlier = seconds  # spent in this epoch before the run was stopped

    @property
    def seconds(self) -> float:
        """Spent in the epoch so far."""
        return self._earlier + time.perf_counter() - self._started

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._first = batch + self.skipped + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not math.isfinite(float(logs["loss"])):
            last = min(batch + 1, self.params["steps"]) + self.skipped
            which = f"batch {last}" if last == self._first else f"batches {self._first} to {last}"
            raise self._diverged(float(logs["loss"]), f"{which} of epoch {self._epoch + 1}")
        if interruption.pending():
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if interruption.pending():
            self.model.stop_training = self.model.stop_evaluating = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        interruption.check()  # the epoch is not whole
        row = {column: float(logs[column]) for column in self.history if column != "seconds"}
        row["seconds"] = round(self.seconds, 3)
        if not math.isfinite(row["val_loss"]):
            raise self._diverged(row["val_loss"], f"the {self.seen} images after epoch {epoch + 1}")
        for column, value in row.items():
            self.history[column].append(value)
        self._run.write_history(self.history)
        self._earlier, self.skipped = 0.0, 0
        where = f"epoch {epoch + 1:>{len(str(self.total))}}/{self.total}"
        _tell(f"{where}   {_told('train', row, '')}   {_told(self.seen, row, 'val_')}   {row['seconds']:.1f} s")

    def _diverged(self, loss: float, where: str) -> DivergedError:
        rate = self._rate
        return DivergedError(
            f"training diverged: the loss is {loss} in {where}, at a learning rate of {rate:g}.\n"
            f"Try a lower one: --learning-rate {rate / 10:g}"
        )


def _tell(line: str) -> None:
    with suppress(OSError):  # who reads it may have left, or the disk be full: training goes on
        click.echo(line, err=True)


def _told(images: str, row: dict[str, float], prefix: str) -> str:
    if "kl" in row:
        return f"{images} -ELBO {row[prefix + 'reconstruction'] + row[prefix + 'kl']:.2f} nats (KL {row[prefix + 'kl']:.2f})"
    return f"{images} MSE {row[prefix + 'loss']:.5f}"


class Checkpoints(keras.callbacks.Callback):
    """Restores a checkpoint when training begins, and writes one after each epoch, every so many batches or seconds, and after a signal.

    Where nothing else was asked for, epochs of a second or two share one: each costs some 50 ms.
    """

    def __init__(self, run: Run, report: EpochReport, every: str | None, restored: Checkpoint | None) -> None:
        super().__init__()
        self._run = run
        self._report = report
        self._restored = restored
        self._cost = 0.0 if every else COST
        self._took = 0.0  # seconds that the last one took
        every = every or EVERY
        self._batches = math.inf if every.endswith("s") else int(every)
        self._seconds = float(every[:-1]) if every.endswith("s") else math.inf

    def on_train_begin(self, logs: Any = None) -> None:
        self._written = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # Keras has just reset the metrics
        self._epoch = epoch
        if self._restored:
            _restore(self.model, self._restored)
            self._restored = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done = batch + 1 + self._report.skipped
        late = done % self._batches == 0 or time.monotonic() - self._written >= self._seconds
        if (late or interruption.pending()) and batch + 1 < self.params["steps"]:  # after the last one, the epoch's end writes
            self._save(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._took <= self._cost * (time.monotonic() - self._written) or not self._cost:
            self._save(epoch + 1, 0)

    def _save(self, epoch: int, batch: int) -> None:
        began = time.monotonic()
        arrays = _variables(self.model)
        if all(np.isfinite(array).all() for array in arrays):  # otherwise the next batch tells, and the last good one stays
            seconds = self._report.seconds if batch else 0.0
            checkpoints.save(self._run, Checkpoint(epoch, batch, seconds, self._report.history, arrays))
        self._written = time.monotonic()
        self._took = self._written - began


def _variables(model: Autoencoder) -> list[np.ndarray]:
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in _state(model)]


def _restore(model: Autoencoder, checkpoint: Checkpoint) -> None:
    variables = _state(model)
    expected = [(tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype)) for variable in variables]
    if [(array.shape, str(array.dtype)) for array in checkpoint.arrays] != expected:
        raise CorruptFileError("the checkpoint is of another model than the run's config names.")
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)
    if checkpoint.batch == 0:
        model.reset_metrics()  # they were those of the test images


def _state(model: Autoencoder) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class EpochBar(keras.callbacks.Callback):
    """A progress bar on stderr, for a terminal. As a context it leaves a whole line and a visible cursor behind, however training ends."""

    def __enter__(self) -> "EpochBar":
        self._open = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        steps = self.params["steps"]
        label = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = click.progressbar(length=steps, label=label, file=sys.stderr, update_min_steps=max(1, steps // 200))
        self._open.push(self._bar)  # before it is drawn: a signal may come in between
        self._bar.__enter__()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update(batch + 1 - self._bar.pos)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._open.close()


def fit(model: Autoencoder, data: Dataset, config: TrainConfig, run: Run) -> None:
    """Train the model as the config says, from the run's newest checkpoint where there is one.

    The run's history is written after each epoch, a value per epoch: `loss`, `val_loss` (on the test images, or on those kept for
    validation; with noise where there is some), `seconds`; for a variational model, whose losses are in nats per image, the parts of them
    too: `reconstruction`, `kl`, `val_reconstruction`, `val_kl`. Raises `DivergedError` when a loss is not finite, `CorruptFileError` when
    no checkpoint can be read, and `WriteError`.
    """
    found = checkpoints.newest(run)
    terms = ["reconstruction", "kl", "val_reconstruction", "val_kl"] if model.variant.variational else []
    start = Checkpoint(0, 0, 0.0, {column: [] for column in ("loss", "val_loss", *terms, "seconds")}, [])
    if found:
        batches = math.ceil(len(learnt(data, config)) / config.batch_size)
        beyond = found.epoch + (found.batch > 0) > config.epochs or found.batch >= batches
        if beyond or list(found.history) != list(start.history):
            raise CorruptFileError(f"the checkpoint is of epoch {found.epoch + 1}, batch {found.batch + 1} of another run than {run.path}.")
        start = found
    if model.variant.variational:
        model.likelihood = config.likelihood
    model.precision = config.precision
    model.compile(
        optimizer=adam(config, len(learnt(data, config))),
        loss="mse",
        steps_per_execution=at_once(model, config.batch_size, config.checkpoint_every),
    )
    model.optimizer.build(model.trainable_variables)
    report = EpochReport(run, config, start.history, start.seconds, start.batch)
    callbacks = [report, Checkpoints(run, report, config.checkpoint_every, found)]
    if not found:
        start_statistics(model, to_float(learnt(data, config)[: config.batch_size]))
    if found:
        _tell(f"from epoch {start.epoch + 1}, batch {start.batch + 1}")
    if found and start.epoch == config.epochs:
        _restore(model, start)
    # The rest of the epoch that was interrupted first: Keras takes the number of its batches once per call.
    first = start.epoch + 1 if start.batch else start.epoch
    for begin, end, skipped in ((start.epoch, first, start.batch), (first, config.epochs, 0)):
        if begin < end:
            _fit(model, data, config, callbacks, begin, end, skipped)


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """From 0 to `peak` over the first `warm_up` of `steps`, then back to 0 at the end of them, each along a line."""

    def __init__(self, peak: float, steps: int, warm_up: float) -> None:
        self.peak, self.steps, self.warm_up = peak, steps, warm_up

    @property
    def _rising(self) -> float:
        return max(1.0, self.steps * self.warm_up)

    @property
    def _falling(self) -> float:
        return max(self.steps - self._rising, 1e-9)  # of a single step nothing is left

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32")
        falling = keras.ops.relu(self.steps - step) / self._falling
        return self.peak * keras.ops.minimum((step + 1) / self._rising, falling)

    def at(self, step: int) -> float:
        """The same in plain numbers: torch, which compiles nothing, would spend half a millisecond on it at each step."""
        return self.peak * min((step + 1) / self._rising, max(self.steps - step, 0) / self._falling)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "steps": self.steps, "warm_up": self.warm_up}


def adam(config: TrainConfig, images: int) -> keras.optimizers.Adam:
    """The optimizer of a config, for so many training images."""
    steps = _steps(config, images)
    rate = WarmUpAndDecay(config.learning_rate, steps, config.warm_up) if config.warm_up else config.learning_rate
    return keras.optimizers.Adam(rate, beta_2=config.beta_2, epsilon=PYTORCH_EPSILON * (1 - config.beta_2) ** 0.5)


def start_statistics(model: Autoencoder, images: np.ndarray) -> None:
    """Let the moving statistics of batch normalisation start from these images, float32 of shape (n, H, W, C).

    From Keras' 0 and 1 it takes them some 100 steps, more than the whole training of a small set may have.
    """
    layers = [layer for part in (model.encoder, model.decoder) for layer in part.layers]
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = 0.0
    found = model.encoder(images, training=True)
    codes = found[: 1 + len(model.variant.switches)] if isinstance(found, list) else [found]
    model.decoder(codes if len(codes) > 1 else codes[0], training=True)
    for norm in norms:
        norm.momentum = BATCH_NORM_MOMENTUM


def at_once(model: Autoencoder, batch_size: int, checkpoint_every: str | None = None) -> int:
    """How many batches Keras is to train on between two calls of the callbacks: `steps_per_execution`.

    One on torch, where Keras allows no more. Small steps gain the most by it; with large ones an interruption would have to wait for too
    many. The number of batches after which a checkpoint is due is a multiple of it.
    """
    if keras.backend.backend() == "torch":
        return 1
    most = max(1, min(AT_ONCE, int(threads.WORTH / threads.work(model.variant, batch_size))))
    if not checkpoint_every or checkpoint_every.endswith("s"):
        return most
    return max(count for count in range(1, most + 1) if int(checkpoint_every) % count == 0)


def _steps(config: TrainConfig, images: int) -> int:
    return config.epochs * math.ceil(images / config.batch_size)


def learnt(data: Dataset, config: TrainConfig) -> np.ndarray:
    """The training images without those kept for validation."""
    return data.train.images[: len(data.train.images) - config.validation]


def chances(model: Autoencoder, config: TrainConfig, images: int) -> tuple[Chance | None, Chance | None]:
    """What is drawn at random for so many training images, and for those that are looked at after each epoch: for these always the same."""
    latent = model.variant.latent if model.variant.variational else 0
    noise = corruption(config.noise) if config.noise else None
    if not (noise or latent):
        return None, None
    warm_up = round(config.kl_warm_up * _steps(config, images))
    return Chance(config.seed, noise, latent, config.beta, warm_up), Chance(config.seed + 1, noise, latent)


def _fit(model: Autoencoder, data: Dataset, config: TrainConfig, callbacks: list[Any], begin: int, end: int, skipped: int) -> None:
    images = learnt(data, config)
    chance, steady = chances(model, config, len(images))
    batches = Batches(images, config.batch_size, config.seed, skipped, chance)
    seen = data.train.images[len(images) :] if config.validation else data.test.images
    order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch))
    with interruption.deferred(), EpochBar() as bar:
        model.fit(
            batches,
            validation_data=Batches(seen, chunk_size(seen), chance=steady),
            initial_epoch=begin,
            epochs=end,
            callbacks=[order, *([bar] if sys.stderr.isatty() else []), *callbacks],
            verbose=0,
        )
