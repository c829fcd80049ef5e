"""Batches for `model.fit`, straight to each backend: without the loader, queue or generator that
Keras would put in between.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import tree
from keras.src.trainers.data_adapters.data_adapter import DataAdapter
from numpy.typing import NDArray

from ..datasets.dataset import Dataset
from ..datasets.images import chunk_size, to_float
from ..datasets.noise import Chance
from ..system.share import Share

Pair = tuple[Any, Any]  # what goes in, and the images that are to come out

RESIDENT = (
    2**31
)  # bytes of uint8 images that are kept on the device; more are read from where they lie, batch by batch


def fit_arguments(
    data: Dataset, seed: int, batch_size: int | None = None, epochs: int = 1, **options: Any
) -> dict[str, Any]:
    """What Keras' `fit` takes to train on a dataset as `kae.train` does."""
    batches = Batches(data.train.images, batch_size or 32, seed, targets=data.train.targets)
    order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.start(epoch))
    callbacks = options.pop("callbacks", None) or []
    callbacks = [*callbacks] if isinstance(callbacks, list | tuple) else [callbacks]
    test = Batches(data.test.images, chunk_size(data.test.images), targets=data.test.targets)
    options.setdefault("validation_data", test)
    return {"x": batches, "epochs": epochs, "callbacks": [order, *callbacks], **options}


class Batches(DataAdapter):
    """Pairs (images, the same images, or their `targets`), float32 of shape (batch, H, W, C) in
    [0, 1], made from uint8 as they are asked for; where something is left to `chance`, that in
    place of the first.

    With a seed each epoch has its own order, a permutation drawn from (seed, epoch): the same on
    every backend. Without one the order is that of the images. The first `skipped` batches are left
    out. With a `share` each is that part of it; what is drawn is drawn for the whole batch. On
    torch.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        batch_size: int,
        seed: int | None = None,
        skipped: int = 0,
        chance: Chance | None = None,
        share: Share | None = None,
        targets: NDArray[np.uint8] | None = None,
    ) -> None:
        self.images = images
        self.targets = targets
        self.chance = chance
        self._share = share
        self.seed = seed
        self.skipped = skipped
        self._size = batch_size
        self._variable: Any = None  # the order, where TensorFlow reads it
        # on a GPU under torch the images, on JAX the function that takes from them: moved once
        self._on_device: Any = None
        self.start(0)

    def start(self, epoch: int) -> None:
        """Draw the order of that epoch, counted from 0."""
        count = len(self.images)
        self.epoch = epoch
        self.order = (
            np.arange(count)
            if self.seed is None
            else np.random.default_rng((self.seed, epoch)).permutation(count)
        )
        if self._variable is not None:
            self._variable.assign(self.order)

    @property
    def num_batches(self) -> int:
        return math.ceil(len(self.images) / self._size) - self.skipped

    @property
    def batch_size(self) -> int:
        return self._size

    @property
    def has_partial_batch(self) -> bool:
        return len(self.images) % self._size > 0

    @property
    def partial_batch_size(self) -> int | None:
        return len(self.images) % self._size or None

    def get_numpy_iterator(self) -> Iterator[Pair]:
        batches = math.ceil(len(self.images) / self._size)
        for batch, chosen in enumerate(self._chosen(), self.skipped):
            part = self._part(len(chosen))
            if self.chance is None:
                images = to_float(self.images[chosen[part]])
                yield images, images if self.targets is None else to_float(self.targets[chosen[part]])
                continue
            drawn = self.images[chosen]
            if self.targets is not None:
                drawn = np.concatenate([drawn, self.targets[chosen]], axis=-1)  # to be moved alike
            images = self.chance.targets(to_float(drawn), self.epoch, batch)
            source = images
            if self.targets is not None:
                source, images = map(np.ascontiguousarray, np.split(images, 2, axis=-1))
            given = self.chance(source, self.epoch, batch, self.epoch * batches + batch)
            if self._share:
                given = tree.map_structure(lambda array, part=part: array[part], given)
                images = images[part]
            yield given, images

    def get_jax_iterator(self) -> Iterator[Pair]:
        import jax

        if jax.default_backend() == "cpu" or not self._resident:
            yield from self.get_numpy_iterator()
            return
        if self._on_device is None:
            of_byte = to_float(
                np.arange(256, dtype=np.uint8)
            )  # XLA would not divide, but multiply by 1 / 255
            gather = jax.jit(lambda images, of_byte, chosen: of_byte[images[chosen]])
            self._on_device = partial(gather, jax.device_put(self.images), jax.device_put(of_byte))
        for chosen in self._chosen():
            batch = self._on_device(chosen)
            yield batch, batch

    def get_torch_dataloader(self) -> Iterator[Pair]:
        import torch
        from keras.src.backend.torch.core import get_device

        if get_device() == "cpu" or not self._resident:
            for given, images in self.get_numpy_iterator():
                targets = torch.from_numpy(images)
                yield targets if given is images else tree.map_structure(torch.from_numpy, given), targets
            return
        if self._on_device is None:
            self._on_device = torch.tensor(self.images, device=get_device())
        resident = self._on_device
        for chosen in torch.split(
            torch.from_numpy(self.order[self.skipped * self._size :]).to(resident.device), self._size
        ):
            batch = resident[chosen[self._part(len(chosen))]].to(torch.float32) / 255
            yield batch, batch

    def get_tf_dataset(self) -> Any:
        import tensorflow as tf

        size = self._size
        if not self._resident:
            specs = tree.map_structure(
                lambda array: tf.TensorSpec((None, *array.shape[1:]), tf.float32),
                next(self.get_numpy_iterator()),
            )
            return tf.data.Dataset.from_generator(self.get_numpy_iterator, output_signature=specs).prefetch(2)
        resident = tf.constant(self.images)
        self._variable = tf.Variable(self.order, trainable=False)
        order = self._variable

        def pair(number: Any) -> Pair:
            images = (
                tf.cast(tf.gather(resident, order[number * size : (number + 1) * size]), tf.float32) / 255
            )
            return images, images

        return tf.data.Dataset.range(self.skipped, self.skipped + self.num_batches).map(pair).prefetch(2)

    @property
    def _resident(self) -> bool:
        return self.chance is None and self.targets is None and self.images.nbytes <= RESIDENT

    def _part(self, images: int) -> slice:
        return self._share.take(images) if self._share else slice(None)

    def _chosen(self) -> Iterator[NDArray[np.int64]]:
        for start in range(self.skipped * self._size, len(self.images), self._size):
            yield self.order[start : start + self._size]
