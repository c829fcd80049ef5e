"""Train steps on JAX, behind `fit`: the batches of one execution as a loop inside XLA, in place of
a call from Python for each batch.
"""

from itertools import groupby, islice
from typing import Any

import jax
import keras
import numpy as np

from ..architecture.layers import Conv, ConvTranspose
from ..architecture.variant import Variant
from . import jax_cache

jax_cache.enable()


class JaxModel(keras.Model):
    """keras.Model whose train steps run in a loop inside XLA where that is faster."""

    variant: Variant
    train_function: Any

    def make_train_function(self, force: bool = False) -> None:
        made_anew = force or self.train_function is None
        super().make_train_function(force)
        if made_anew and self._loops():
            self.train_function = Looped(self.train_step, self.steps_per_execution)

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
            logs, state = self._loop(
                state, _stacked(those + those[-1:] * (self._most - len(those))), len(those)
            )
        return logs, state


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
