"""An epoch on the digits: this package's `model.fit` on torch, stock Keras', and plain PyTorch loops over the same table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812  (as PyTorch's users know it)

from .. import datasets
from ..architecture import Variant
from ..batches import Batches
from ..export import weights
from ..fitting import ADAM_EPSILON
from ..images import to_float
from ..model import Autoencoder, build
from .plain import Plain
from .timing import Ratio, alternate, ratio

ROUNDS = 5
BATCH_SIZE = 32
RATE = 1e-3
STOCK, LOOP = "stock Keras", "PyTorch loop"

Epoch = Callable[[], float]  # trains for an epoch; gives the mean loss


@dataclass(frozen=True)
class Result:
    """One way to train. Ratios are of its time to another's."""

    variant: str
    trainer: str
    images_per_second: float
    to_stock: Ratio
    to_loop: Ratio


def measure(variant: Variant) -> list[Result]:
    """Time epochs of 4,314 images in batches of 32, Adam on the mean squared error, all trainers by turns."""
    images = np.tile(datasets.load("digits").train.images, (3, 1, 1, 1))
    times = alternate({name: prepare(variant, images) for name, prepare in TRAINERS.items()}, ROUNDS)
    return [
        Result(variant.name, name, len(images) / float(np.median(taken)), ratio(taken, times[STOCK]), ratio(taken, times[LOOP]))
        for name, taken in times.items()
    ]


def _ours(variant: Variant, images: NDArray[np.uint8]) -> Epoch:
    return _fit(build(variant), images)


def _stock(variant: Variant, images: NDArray[np.uint8]) -> Epoch:
    model = build(variant)
    for name in ("make_train_function", "train_step"):
        setattr(model, name, getattr(keras.Model, name).__get__(model))
    return _fit(model, images)


def _fit(model: Autoencoder, images: NDArray[np.uint8]) -> Epoch:
    model.compile(optimizer=keras.optimizers.Adam(RATE, epsilon=ADAM_EPSILON), loss="mse")
    batches = Batches(images, BATCH_SIZE, seed=0)
    return lambda: model.fit(batches, epochs=1, verbose=0).history["loss"][0]


def _loop(variant: Variant, images: NDArray[np.uint8]) -> Epoch:
    """As users write it."""
    model = _plain(variant)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    data = torch.utils.data.TensorDataset(_tensor(images))
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH_SIZE, shuffle=True)

    def epoch() -> float:
        return sum(_step(model, optimizer, batch) for (batch,) in loader) / len(images)

    return epoch


def _tuned(variant: Variant, images: NDArray[np.uint8]) -> Epoch:
    """The best that PyTorch offers without compiling: channels last, fused Adam, batches by index."""
    model = _plain(variant).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    data = _tensor(images).to(memory_format=torch.channels_last)

    def epoch() -> float:
        return sum(_step(model, optimizer, data[chosen]) for chosen in torch.split(torch.randperm(len(data)), BATCH_SIZE)) / len(images)

    return epoch


def _plain(variant: Variant) -> Plain:
    model = Plain(variant).train()
    model.load(weights.read(build(variant)))
    return model


def _tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(to_float(images).transpose(0, 3, 1, 2)))


def _step(model: Plain, optimizer: Any, batch: torch.Tensor) -> float:
    """One update; gives the sum of the images' losses, as every loop keeps it."""
    loss = F.mse_loss(model(batch), batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item() * len(batch)


TRAINERS: dict[str, Callable[[Variant, NDArray[np.uint8]], Epoch]] = {
    "kae": _ours,
    STOCK: _stock,
    LOOP: _loop,
    "PyTorch loop, tuned": _tuned,
}
