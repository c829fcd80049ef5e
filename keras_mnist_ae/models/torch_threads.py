"""The number of PyTorch threads for a training step.

PyTorch's threads spin until the slowest has finished each operation: on a busy machine a small step
takes longer on all cores than on one, and on an idle machine hardly less.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..architecture.variant import Variant
from ..system import backend
from ..system.workers import cores

WORTH = 1e8  # multiplications per step and thread from which another thread pays


def of_step(variant: Variant, batch_size: int) -> int | None:
    """Threads for steps of `batch_size` images; None where OMP_NUM_THREADS or another backend than
    torch decides.
    """
    if backend.current() != "torch" or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, min(cores(), int(work(variant, batch_size) / WORTH)))


def work(variant: Variant, batch_size: int) -> int:
    """Multiplications of a step: the backward pass takes twice those of the forward pass."""
    return max(1, 3 * batch_size * (variant.encoder.multiplications + variant.decoder.multiplications))


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """A context in which PyTorch computes on at most `threads` threads; None leaves it alone."""
    if threads is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(threads, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
