"""How many threads a training step on torch is worth.

At the end of each operation PyTorch's threads wait for each other in a loop. Where a processor is
busy with something else as well, a small step on all of them takes ten times as long as on one, and
where none is, hardly less.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..architecture.variant import Variant
from ..system import backend

WORTH = 5e8  # multiplications of a step for which another thread pays


def of_step(variant: Variant, batch_size: int) -> int | None:
    """Threads for steps of so many images; None where the user (OMP_NUM_THREADS) or another backend
    than torch decides.
    """
    if backend.current() != "torch" or "OMP_NUM_THREADS" in os.environ:
        return None
    return max(1, min(os.cpu_count() or 1, int(work(variant, batch_size) / WORTH)))


def work(variant: Variant, batch_size: int) -> int:
    """Multiplications of a step: the gradients take twice those of the forward pass."""
    return max(1, 3 * batch_size * (variant.encoder.multiplications + variant.decoder.multiplications))


@contextmanager
def limited(threads: int | None) -> Iterator[None]:
    """PyTorch computes on so many within the block."""
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
