"""Exponential moving averages of the weights (Polyak and Juditsky 1992), measured and kept in place
of the last weights.

Keras' optimizers compute them (`use_ema`): after each step, average = decay * average + (1 - decay)
* weight, from the weights after the first step on.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from ..datasets.images import Images
from ..models.autoencoder import Autoencoder
from .statistics import settle_statistics


def has_averages(optimizer: Any) -> bool:
    """Whether the optimizer, which has been built, averages the weights."""
    return bool(getattr(optimizer, "use_ema", False)) and hasattr(
        optimizer, "_model_variables_moving_average"
    )


def take_averages(model: Autoencoder, images: Images) -> None:
    """Put the averages in place of the weights, and the statistics of batch normalisation that
    belong to them.

    Args:
        images: training images, uint8 of shape (n, H, W, C), which the statistics are taken from.
    """
    for variable, average in _pairs(model):
        variable.assign(keras.ops.convert_to_numpy(average))
    settle_statistics(model, images)


@contextmanager
def averaged(model: Autoencoder, images: Images) -> Iterator[None]:
    """The same for a while; then the weights and statistics are again what they were, bit for
    bit.
    """
    kept = [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]
    try:
        take_averages(model, images)
        yield
    finally:
        for weight, before in zip(model.weights, kept, strict=True):
            weight.assign(before)


class MeasureAverages(keras.callbacks.Callback):
    """Puts the averages in place of the weights while `fit` measures its validation data.

    Keras' SwapEMAWeights does it by sums and differences on TensorFlow, which round.
    """

    def __init__(self, images: Images) -> None:
        super().__init__()
        self._images = images
        self._open = ExitStack()

    def on_test_begin(self, logs: Any = None) -> None:
        self._open.enter_context(averaged(self.model, self._images))

    def on_test_end(self, logs: Any = None) -> None:
        self._open.close()


@contextmanager
def not_finalized(optimizer: Any) -> Iterator[None]:
    """Keep Keras from putting the averages in place of the weights at the end of a call of `fit`:
    after an interruption another call goes on from the weights.
    """
    optimizer.finalize_variable_values = lambda variables: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


def _pairs(model: Autoencoder) -> Iterator[tuple[Any, Any]]:
    optimizer = model.optimizer
    pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
    return ((variable, average) for variable, average in pairs if average is not None)
