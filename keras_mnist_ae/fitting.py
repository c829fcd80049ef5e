"""`model.fit` on one table and one image set: batches in an order of ours, Adam on the mean squared error, a line per epoch."""

import math
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from .model import Autoencoder

# isort: split
import click
import keras
import numpy as np

from . import interruption
from .config import TrainConfig
from .datasets import Dataset
from .errors import DivergedError
from .evaluation import CHUNK, to_float

History = dict[str, list[float]]

# PyTorch's 1e-8 as Keras counts it: PyTorch adds it after the bias correction of the second moment, Keras before (the paper's "epsilon
# hat"), so that it is this at the first step. It matters: gradients of a mean over 784 pixels are small, and at 1e-8 conv-k15 never learns.
ADAM_EPSILON = 1e-8 * (1 - 0.999) ** 0.5


class Batches(keras.utils.PyDataset):
    """Pairs (images, the same images), float32 of shape (batch, H, W, C) in [0, 1], made from uint8 as they are asked for.

    With a seed each epoch has its own order, a permutation drawn from (seed, epoch): the same on every backend. Without one the order is
    that of the images. After a signal they ask the model to stop, which it does after the batch.
    """

    def __init__(self, model: Autoencoder, images: np.ndarray, batch_size: int, seed: int | None = None) -> None:
        super().__init__()
        self.model = model
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.start(0)

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if interruption.pending():
            self.model.stop_training = self.model.stop_evaluating = True
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        images = to_float(self.images[chosen if self.seed is None else self.order[chosen]])
        return images, images

    def start(self, epoch: int) -> None:
        """Draw the order of that epoch, counted from 0."""
        if self.seed is not None:
            self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))


class EpochReport(keras.callbacks.Callback):
    """Keeps the history, one line per epoch on stderr, and stops at a loss that is no number."""

    def __init__(self, keep: Callable[[History], None]) -> None:
        super().__init__()
        self.history: History = {"loss": [], "val_loss": [], "seconds": []}
        self._keep = keep

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        interruption.check()  # the epoch is not whole
        seconds = time.perf_counter() - self._started
        row = {"loss": float(logs["loss"]), "val_loss": float(logs["val_loss"]), "seconds": round(seconds, 3)}
        if not (math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])):
            raise DivergedError(
                f"training diverged: the loss is {row['loss']} in epoch {epoch + 1}, at a learning rate of {self._rate():g}.\n"
                f"Try a lower one: --learning-rate {self._rate() / 10:g}"
            )
        for column, value in row.items():
            self.history[column].append(value)
        self._keep(self.history)
        total = self.params["epochs"]
        line = (
            f"epoch {epoch + 1:>{len(str(total))}}/{total}   train MSE {row['loss']:.5f}   test MSE {row['val_loss']:.5f}   {seconds:.1f} s"
        )
        click.echo(line, err=True)

    def _rate(self) -> float:
        return float(self.model.optimizer.learning_rate)


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
        self._bar.update(1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._open.close()


def fit(model: Autoencoder, data: Dataset, config: TrainConfig, keep: Callable[[History], None]) -> None:
    """Train the model as the config says.

    `keep` is called after each epoch with the history, a value per epoch: `loss`, `val_loss` (on the test images), `seconds`. Raises
    `DivergedError` when a loss is not finite.
    """
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate, epsilon=ADAM_EPSILON), loss="mse")
    batches = Batches(model, data.train.images, config.batch_size, config.seed)
    order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch))
    with interruption.deferred(), EpochBar() as bar:
        model.fit(
            batches,
            validation_data=Batches(model, data.test.images, CHUNK),
            epochs=config.epochs,
            callbacks=[order, *([bar] if sys.stderr.isatty() else []), EpochReport(keep)],
            shuffle=False,  # Keras would mix our batches by Python's own random numbers
            verbose=0,
        )
