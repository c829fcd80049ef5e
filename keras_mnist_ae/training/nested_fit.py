"""One training whose code can be cut after any of its numbers: see `models.nested`."""

import math
import time
from typing import Any

import keras
import numpy as np

from ..datasets.augment import NONE, augmentation
from ..datasets.images import Images, to_float
from ..errors import DivergedError
from ..models import torch_threads
from ..models.batches import Batches
from ..models.nested import Cuts, Nested, nested
from ..runs.config import TrainConfig
from ..system import signals
from ..system.notes import say
from ..system.progress import phase
from .last_bias import start_bias
from .optimizer import adam, total_steps
from .statistics import settle_statistics, start_statistics

SHORT = 1000  # steps below which the moving statistics are set anew at the end


def fit_nested(config: TrainConfig, images: Images, shape: tuple[int, int, int]) -> Nested:
    """Train the table of a config with nested dropout on uint8 images (n, H, W, C).

    Args:
        shape: (channels, height, width) of the images.

    Raises:
        DivergedError: The loss is no longer finite.
    """
    variant = config.architecture(shape)
    model = nested(variant, config.seed)
    model.precision = config.precision
    model.compile(optimizer=adam(config, len(images)), loss="mse")
    model.optimizer.build(model.trainable_variables)
    start_bias(model, images)
    start_statistics(model, to_float(images[: config.batch_size]))
    batches = Batches(
        images,
        config.batch_size,
        config.seed,
        chance=Cuts(config.seed, variant.latent, augmentation(config.augment or NONE)),  # type: ignore[arg-type]
    )
    steps = total_steps(config, len(images))
    limit = torch_threads.limited(torch_threads.of_step(variant, config.batch_size))
    with limit, signals.deferred(), phase("training", steps) as advance:
        model.fit(
            batches,
            epochs=config.epochs,
            verbose=0,
            callbacks=[_Told(batches, config.epochs, advance)],
        )
    signals.check()
    if steps < SHORT:
        settle_statistics(model, images)
    return model


class _Told(keras.callbacks.Callback):
    """The order of images, a line per epoch, and an end at a signal or a loss that is no number."""

    def __init__(self, batches: Batches, epochs: int, advance: Any) -> None:
        super().__init__()
        self.batches, self.epochs, self.advance = batches, epochs, advance

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches.start(epoch)
        self.began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if signals.pending():
            self.model.stop_training = True
            return
        self.advance(1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = float(np.asarray((logs or {})["loss"]))
        if not math.isfinite(loss):
            raise DivergedError(f"the loss is {loss} after epoch {epoch + 1}.\nTry a lower --learning-rate.")
        seconds = time.monotonic() - self.began
        say(f"epoch {epoch + 1}/{self.epochs}   MSE over all sizes {loss:.5f}   {seconds:.1f} s")
