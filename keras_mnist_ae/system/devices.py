"""The devices of this process over which JAX divides each batch."""

import os
import sys
from typing import Any

from ..errors import UsageError

_asked = 1


def ask(number: int) -> None:
    """Train on so many devices from now on. Where JAX has not been imported yet, processors count
    as so many.
    """
    global _asked
    _asked = number
    if number > 1 and "jax" not in sys.modules:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count={number}".strip()


def count() -> int:
    """How many devices a training takes."""
    return _asked


def of_training() -> list[Any]:
    """These, as JAX has them; none where there is only one, which needs no dividing.

    Raises:
        UsageError: There are fewer.
    """
    if _asked == 1:
        return []
    import jax

    found = jax.local_devices()
    if len(found) < _asked:
        there = f"{len(found)} {found[0].platform}"
        raise UsageError(f"--processes {_asked} takes as many devices on JAX, which sees {there} here.")
    return list(found[:_asked])
