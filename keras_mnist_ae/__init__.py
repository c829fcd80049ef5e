"""Image autoencoders as tables: train with Keras 3 on torch, TensorFlow or JAX, look at what they learned, export to ONNX.

Importing this package imports no backend: the public names load what they need when they are first used. `KERAS_BACKEND` chooses the
backend of a Python process (torch unless it says otherwise).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture import Recipe, Stack, Variant
    from .config import TrainConfig
    from .model import Autoencoder, build
    from .runs import Run
    from .training import train
    from .variants import VARIANTS

__version__ = "0.1.0"

_HOME = {
    "VARIANTS": "variants",
    "Autoencoder": "model",
    "Recipe": "architecture",
    "Run": "runs",
    "Stack": "architecture",
    "TrainConfig": "config",
    "Variant": "architecture",
    "build": "model",
    "train": "training",
}

__all__ = ["VARIANTS", "Autoencoder", "Recipe", "Run", "Stack", "TrainConfig", "Variant", "__version__", "build", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
