"""How near training on torch comes to stock Keras, and stock Keras to itself. By hand: python
tests/agreement.py > docs/data/agreement.json.
"""

import argparse
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

from keras_mnist_ae import build, datasets
from keras_mnist_ae.architecture import Stack, Variant
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.models import torch_step

STEPS, BATCH_SIZE = 100, 32


@contextmanager
def stock() -> Iterator[None]:
    """Models whose steps are made meanwhile run those of Keras."""
    with mock.patch.object(torch_step, "why_stock", return_value="for comparison"):
        yield


def smooth(variant: Variant) -> Variant:
    """With a SiLU for each ReLU: no gradient jumps."""

    def replaced(stack: Stack) -> Stack:
        layers = (
            replace(layer, act="silu") if getattr(layer, "act", None) == "relu" else layer
            for layer in stack.layers
        )
        return Stack.of(stack.input, *layers)

    return replace(variant, encoder=replaced(variant.encoder), decoder=replaced(variant.decoder))


def apart(ours: keras.Model, theirs: keras.Model, but: object = None) -> float:
    """The largest distance between two arrays of weights, relative to their norm."""
    pairs = [(our, their) for our, their in zip(ours.weights, theirs.weights, strict=True) if our is not but]
    arrays = (map(keras.ops.convert_to_numpy, pair) for pair in pairs)
    return max(float(np.linalg.norm(our - their) / max(np.linalg.norm(their), 1e-3)) for our, their in arrays)


def trained(
    variant: Variant, images: np.ndarray, seed: int = 1, batch_size: int = BATCH_SIZE, backwards: bool = False
) -> keras.Model:
    """After one epoch of Adam at 0.001, in the order of the images, or with each batch backwards."""
    given = [images]
    if variant.variational:
        noise = np.random.default_rng(seed).standard_normal((len(images), variant.latent), dtype="float32")
        given += [noise, np.ones(len(images), dtype="float32")]
    if backwards:
        given = [
            np.concatenate([array[at : at + batch_size][::-1] for at in range(0, len(array), batch_size)])
            for array in given
        ]
    model = build(variant, seed=seed)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    model.fit(
        tuple(given) if variant.variational else given[0],
        given[0],
        batch_size=batch_size,
        shuffle=False,
        verbose=0,
    )
    return model


def measured(name: str, images: np.ndarray, seed: int) -> dict[str, object]:
    """Three distances for one start: ours to stock Keras, stock Keras to itself with each batch
    backwards, ours to stock without ReLU.
    """
    variant = VARIANTS[name]
    with stock():
        theirs, backwards = trained(variant, images, seed), trained(variant, images, seed, backwards=True)
        theirs_smooth = trained(smooth(variant), images, seed)
    ours, ours_smooth = trained(variant, images, seed), trained(smooth(variant), images, seed)
    return {
        "variant": name, "seed": seed, "to_stock": apart(ours, theirs), "stock_to_itself": apart(backwards, theirs),
        "to_stock_without_relu": apart(ours_smooth, theirs_smooth),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*for comparison")
    images = to_float(datasets.load("mnist").train.images[: STEPS * BATCH_SIZE])
    results = [measured(name, images, seed) for name in VARIANTS for seed in range(arguments.seeds)]
    print(json.dumps({"results": results}, indent=4))


if __name__ == "__main__":
    main()
