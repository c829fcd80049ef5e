"""The moving statistics of batch normalisation at the beginning and the end of a training."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from ..architecture.layers import BATCH_NORM_MOMENTUM
from ..datasets.images import Images, to_float
from ..models.autoencoder import Autoencoder

BATCH, BATCHES = 256, 16  # images of a batch, and batches, that the final statistics are taken from
PIXELS, LEAST = 256 * 64 * 64, 4  # of a batch of larger images, and images in it


def start_statistics(model: Autoencoder, images: np.ndarray) -> None:
    """Set the moving statistics to those of these images, float32 of shape (n, H, W, C).

    From Keras' 0 and 1 it takes them some 100 steps, more than the whole training of a small set
    may have.
    """
    if norms := _norms(model):
        _pass(model, norms, images, 0.0)


def settle_statistics(model: Autoencoder, images: Images) -> None:
    """Set the moving statistics to the mean over batches of the training images, uint8 of shape
    (n, H, W, C): in a short training they lag behind the weights.
    """
    norms = _norms(model)
    size = int(np.clip(PIXELS // np.prod(images.shape[1:3]), LEAST, BATCH))
    for number in range(BATCHES if norms else 0):
        batch = images[number * size : (number + 1) * size]
        if not len(batch) or (number and len(batch) < size):
            return  # a small last batch would weigh as much as the others
        _pass(model, norms, to_float(batch), number / (number + 1))


def _norms(model: Autoencoder) -> list[keras.layers.BatchNormalization]:
    layers = [layer for part in (model.encoder, model.decoder) for layer in part.layers]
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def _pass(
    model: Autoencoder,
    norms: list[keras.layers.BatchNormalization],
    images: np.ndarray,
    momentum: float,
) -> None:
    """Run the images through the model as in training, which moves the statistics."""
    for norm in norms:
        norm.momentum = momentum
    with _no_gradients():
        outputs = model.encoder(images, training=True)
        taken = 1 + len(model.variant.switches)
        codes = outputs[:taken] if isinstance(outputs, list) else [outputs]
        model.decoder(codes if len(codes) > 1 else codes[0], training=True)
    for norm in norms:
        norm.momentum = BATCH_NORM_MOMENTUM


def _no_gradients() -> AbstractContextManager[Any]:
    """For which torch would keep what every row gave."""
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()
