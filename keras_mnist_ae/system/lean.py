"""Loading Keras without the packages that it imports but that no command needs then.

Keras imports scikit-learn for `keras.wrappers`, matplotlib for its galleries and, on any backend,
JAX for Orbax checkpoints where they are installed. In a process of `kae` nothing uses these parts
of Keras, and a command that needs one of the packages itself imports it then.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from .progress import phase

OPTIONAL = ("sklearn", "matplotlib", "jax", "tensorflow", "pandas")  # Keras does without each of them
_ours = False


def install() -> None:
    """Let `load` load Keras without them. For a process of ours: `kae`."""
    global _ours
    _ours = True


def load(backend: str) -> None:
    """Import Keras on the backend, in a process of ours without what it does not need.

    Args:
        backend: "torch", "tensorflow" or "jax".
    """
    if _ours and "keras" not in sys.modules and find_spec("keras"):
        with phase(f"loading Keras on {backend}"), imports(backend):
            import_module("keras")


@contextmanager
def imports(backend: str) -> Iterator[None]:
    """Within the block, in a process of ours, the optional packages of Keras are as if they were
    not installed, but for the backend's own and those that are loaded already.
    """
    hidden = [name for name in OPTIONAL if _ours and name != backend and name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` raise ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
