"""Pooling switches of a graph and of Keras that differ: ties up to rounding, or faults."""

import keras
import numpy as np
from numpy.typing import NDArray

from ..architecture.layers import MaxPool
from ..models.autoencoder import Autoencoder
from .sessions import Arrays

ROUNDING = 1e-5  # between two pixels of a window that count as equal


def differing(switches: Arrays, expected: Arrays, count: int) -> NDArray[np.bool_]:
    """Which of `count` images have a switch that differs."""
    differ = np.zeros(count, bool)
    for ours, theirs in zip(switches, expected, strict=True):
        differ |= (ours != theirs).reshape(count, -1).any(axis=1)
    return differ


def wrong_switches(
    model: Autoencoder, images: NDArray[np.float32], switches: Arrays, expected: Arrays
) -> int:
    """How many of the switches that differ name a pixel that is, in Keras, further below the
    maximum of its window than rounding explains.
    """
    if not len(images):
        return 0
    wrong = 0
    pools = [s for s in model.variant.encoder if isinstance(s.layer, MaxPool) and s.layer.switch]
    for step, ours, theirs in zip(pools, switches, expected, strict=True):
        before = keras.Model(model.encoder.input, model.encoder.get_layer(step.name).input)
        n, height, width, channels = theirs.shape
        split = np.asarray(before.predict_on_batch(images)).reshape(n, height, 2, width, 2, channels)
        windows = split.transpose(0, 1, 3, 5, 2, 4).reshape(*theirs.shape, 4)
        named = np.take_along_axis(windows, ours[..., np.newaxis].astype(int), axis=-1)[..., 0]
        wrong += int(((windows.max(axis=-1) - named > ROUNDING) & (ours != theirs)).sum())
    return wrong
