"""Keras callbacks of a training run: the line per epoch, checkpoints, the progress bar."""

import math
import time
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np

from ..errors import CorruptFileError, DivergedError
from ..models.autoencoder import Autoencoder
from ..runs import checkpoints
from ..runs.checkpoints import Checkpoint
from ..runs.config import TrainConfig
from ..runs.folder import Run
from ..system import signals
from ..system.notes import say
from ..system.progress import shown

History = dict[str, list[float]]

EVERY = "60s"  # between checkpoints
COST = 0.02  # part of the time that those after each epoch may take


class EpochReport(keras.callbacks.Callback):
    """Keeps the history and tells it, one line per epoch on stderr, and stops at a loss that is no
    number and after a signal.
    """

    def __init__(
        self, run: Run | None, config: TrainConfig, history: History, seconds: float, skipped: int
    ) -> None:
        super().__init__()
        self.total = config.epochs
        self.seen = ("noisy " if config.noise else "") + ("validation" if config.validation else "test")
        self._rate = config.learning_rate
        self._importance = config.importance
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
        if signals.pending():
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if signals.pending():
            self.model.stop_training = self.model.stop_evaluating = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        signals.check()  # the epoch is not whole
        row = {column: float(logs[column]) for column in self.history if column != "seconds"}
        row["seconds"] = round(self.seconds, 3)
        if not math.isfinite(row["val_loss"]):
            raise self._diverged(row["val_loss"], f"the {self.seen} images after epoch {epoch + 1}")
        for column, value in row.items():
            self.history[column].append(value)
        if self._run:
            self._run.write_history(self.history)
        self._earlier, self.skipped = 0.0, 0
        where = f"epoch {epoch + 1:>{len(str(self.total))}}/{self.total}"
        losses = f"{self._told('train', row, '')}   {self._told(self.seen, row, 'val_')}"
        say(f"{where}   {losses}   {row['seconds']:.1f} s")

    def _told(self, images: str, row: dict[str, float], prefix: str) -> str:
        if "kl" not in row:
            return f"{images} MSE {row[prefix + 'loss']:.5f}"
        reconstruction, kl = row[f"{prefix}reconstruction"], row[f"{prefix}kl"]
        bound = f" bound {row[prefix + 'loss']:.2f}," if self._importance > 1 else ""
        return f"{images}{bound} -ELBO {reconstruction + kl:.2f} nats (KL {kl:.2f})"

    def _diverged(self, loss: float, where: str) -> DivergedError:
        rate = self._rate
        return DivergedError(
            f"training diverged: the loss is {loss} in {where}, at a learning rate of {rate:g}.\n"
            f"Try a lower one: --learning-rate {rate / 10:g}"
        )


class Checkpoints(keras.callbacks.Callback):
    """Restores a checkpoint when training begins, and writes one after each epoch, every so many
    batches or seconds, and after a signal.

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
            restore(self.model, self._restored)
            self._restored = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done = batch + 1 + self._report.skipped
        late = done % self._batches == 0 or time.monotonic() - self._written >= self._seconds
        if (late or signals.pending()) and batch + 1 < self.params[
            "steps"
        ]:  # after the last one, the epoch's end writes
            self._save(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._took <= self._cost * (time.monotonic() - self._written) or not self._cost:
            self._save(epoch + 1, 0)

    def _save(self, epoch: int, batch: int) -> None:
        began = time.monotonic()
        arrays = _variables(self.model)
        if all(
            np.isfinite(array).all() for array in arrays
        ):  # otherwise the next batch tells, and the last good one stays
            seconds = self._report.seconds if batch else 0.0
            checkpoints.save(self._run, Checkpoint(epoch, batch, seconds, self._report.history, arrays))
        self._written = time.monotonic()
        self._took = self._written - began


def _variables(model: Autoencoder) -> list[np.ndarray]:
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in state(model)]


def restore(model: Autoencoder, checkpoint: Checkpoint) -> None:
    variables = state(model)
    expected = [
        (tuple(variable.shape), keras.backend.standardize_dtype(variable.dtype)) for variable in variables
    ]
    if [(array.shape, str(array.dtype)) for array in checkpoint.arrays] != expected:
        raise CorruptFileError("the checkpoint is of another model than the run's config names.")
    for variable, array in zip(variables, checkpoint.arrays, strict=True):
        variable.assign(array)
    if checkpoint.batch == 0:
        model.reset_metrics()  # they were those of the test images


def state(model: Autoencoder) -> list[Any]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


class EpochBar(keras.callbacks.Callback):
    """A bar of the batches of an epoch. As a context it leaves nothing behind, whatever happens."""

    def __enter__(self) -> "EpochBar":
        self._open = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        label = f"epoch {epoch + 1}/{self.params['epochs']}"
        self._advance = self._open.enter_context(shown(label, self.params["steps"]))
        self._done = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._advance(batch + 1 - self._done)
        self._done = batch + 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._open.close()
