"""Train steps on JAX, behind `fit`: the batches of one execution as a loop inside XLA, in place of
a call from Python for each batch; over several devices, each of which has a part of every batch.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import Any

import jax
import keras
import numpy as np

from ..architecture.layers import Conv, ConvTranspose
from ..architecture.variant import Variant
from ..system import jax_memory
from . import jax_cache

jax_cache.enable()
jax_memory.keep()


class JaxModel(keras.Model):
    """keras.Model whose train steps run in a loop inside XLA where that is faster."""

    variant: Variant
    train_function: Any
    devices: tuple[Any, ...] = ()  # that share each batch; none: the first of JAX alone

    def fit(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().fit(*arguments, **options)
        finally:
            for variable in [*self.variables, *self.optimizer.variables] if self.devices else ():
                variable.assign(jax.device_put(variable.value, self.devices[0]))

    def make_train_function(self, force: bool = False) -> None:
        made_anew = force or self.train_function is None
        super().make_train_function(force)
        if not made_anew:
            return
        train = self.train_function
        if self._loops():
            self.train_function = Looped(self.train_step, self.steps_per_execution)
        elif not self.devices:
            self.train_function = lambda state, batches: train(state, map(jax_memory.at_hand, batches))
        if self.devices:
            self.train_function = Divided(self.train_function, self.devices)

    def _loops(self) -> bool:
        compiled = self.jit_compile and not self.run_eagerly and keras.distribution.distribution() is None
        return compiled and (jax.default_backend() != "cpu" or not _convolves(self.variant))


def _convolves(variant: Variant) -> bool:
    """Whether there is a convolution: on a CPU XLA computes them ten times slower in a loop."""
    return any(
        isinstance(step.layer, Conv | ConvTranspose)
        for stack in (variant.encoder, variant.decoder)
        for step in stack
    )


class Looped:
    """Keras' `train_function`: from a state and an iterator of batches to the logs of the last
    batch and the state after it.

    How many batches a call takes is a number that the compiled loop is given: the same weights come
    out wherever an epoch was interrupted.
    """

    def __init__(self, train_step: Any, most: int) -> None:
        self._most = most

        def loop(state: Any, batches: Any, count: Any) -> Any:
            def step(at: Any, before: Any) -> Any:
                return train_step(before[1], jax.tree.map(lambda stacked: stacked[at], batches))

            logs = jax.eval_shape(step, 0, (None, state))[0]
            return jax.lax.fori_loop(
                0, count, step, (jax.tree.map(lambda log: jax.numpy.zeros(log.shape, log.dtype), logs), state)
            )

        self._loop = jax.jit(loop, donate_argnums=0)

    def __call__(self, state: Any, iterator: Any) -> Any:
        batches = list(islice(iterator, self._most))
        if not batches:
            raise StopIteration
        for _, alike in groupby(batches, key=lambda batch: jax.tree.map(np.shape, batch)):
            those = list(alike)
            stacked = _stacked(those + those[-1:] * (self._most - len(those)))
            logs, state = self._loop(state, jax_memory.at_hand(stacked), len(those))
        return logs, state


class Divided:
    """A `train_function` over several devices: each has the weights and its part of every batch,
    and XLA adds what they need of each other (Xu et al. 2021, "GSPMD"). The result is that of one
    device but for rounding, batch normalisation included. A batch that does not divide is computed
    by all.
    """

    def __init__(self, train_function: Any, devices: tuple[Any, ...]) -> None:
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        mesh = Mesh(np.array(devices), ("images",))
        self._train, self._count = train_function, len(devices)
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._divided = NamedSharding(mesh, PartitionSpec("images"))

    def __call__(self, state: Any, iterator: Iterator[Any]) -> Any:
        return self._train(jax.device_put(state, self._whole), map(self._placed, iterator))

    def _placed(self, batch: Any) -> Any:
        def place(array: Any) -> Any:
            divides = np.ndim(array) > 0 and np.shape(array)[0] % self._count == 0
            return jax.device_put(array, self._divided if divides else self._whole)

        return jax.tree.map(place, batch)


_stack_on_device = jax.jit(jax.numpy.stack)


def _stacked(batches: list[Any]) -> Any:
    """Each array of a batch with its like in the others; what stands in two saved of them, images
    that are their own targets, once.
    """
    known: dict[tuple[int, ...], Any] = {}

    def stack(*parts: Any) -> Any:
        which = tuple(map(id, parts))
        if which not in known:
            known[which] = np.stack(parts) if isinstance(parts[0], np.ndarray) else _stack_on_device(parts)
        return known[which]

    return jax.tree.map(stack, *batches)
