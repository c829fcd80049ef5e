"""Whether this process is one of several that a launcher, such as torchrun, has started for one
job: what its environment says.
"""

import os

from ..errors import UsageError


def count() -> int:
    """How many processes the launcher has started; 1 without one.

    Examples:
        >>> count()
        1
    """
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and "RANK" in os.environ else 1


def rank() -> int:
    """The number of this process among them, from 0."""
    return _number("RANK", 0) if count() > 1 else 0


def local_rank() -> int:
    """The number of this process among those of its machine."""
    return _number("LOCAL_RANK", rank()) if count() > 1 else 0


def local_count() -> int:
    """How many of them run on this machine."""
    return max(1, _number("LOCAL_WORLD_SIZE", count())) if count() > 1 else 1


def is_first() -> bool:
    """Whether this is the process that speaks and writes for all."""
    return rank() == 0


_parent = os.getppid()


def abandoned() -> bool:
    """Whether torchrun or `kae train --processes`, which started this process, is gone."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.getppid() != _parent


def refuse_several(task: str) -> None:
    """Raises `UsageError` in one of several processes: each would do the whole task.

    Args:
        task: a verb, such as "train".
    """
    if count() > 1:
        raise UsageError(
            f"a launcher has started {count()} processes (WORLD_SIZE), and each would {task}.\n"
            "Start one process. In a job that has other uses for WORLD_SIZE, unset it."
        )


def refuse_backend(backend: str, processes: int | None = None) -> None:
    """Raises `UsageError` where several processes cannot train together on the backend.

    Args:
        processes: how many; None takes as many as the launcher has started.
    """
    if backend == "torch" or (processes or count()) == 1:
        return
    reason = {
        "tensorflow": "Keras' training over several TensorFlow processes is broken (keras#20585)",
        "jax": "on JAX one process trains on all devices of its machine (kae train --processes N)",
    }.get(backend, f"{backend} is unknown")
    raise UsageError(
        f"several processes cannot train on {backend}: {reason}.\n"
        "Train on torch (--backend torch), or in one process (without --processes and launcher)."
    )


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else otherwise
