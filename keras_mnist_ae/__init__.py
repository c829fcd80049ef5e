"""Image autoencoders as tables: train with Keras 3 on torch, TensorFlow or JAX, look at what they
learned, export to ONNX.

Importing this package imports no backend: the public names load what they need when they are first
used. `KERAS_BACKEND` chooses the backend of a Python process (torch unless it says otherwise).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture.variant import Recipe, Stack, Variant
    from .architecture.variants import VARIANTS
    from .models.autoencoder import Autoencoder
    from .models.build import build
    from .runs.config import TrainConfig
    from .runs.folder import Run
    from .training.train import train

__version__ = "0.1.0"

_HOME = {
    "VARIANTS": "architecture.variants",
    "Autoencoder": "models.autoencoder",
    "Recipe": "architecture",
    "Run": "runs.folder",
    "Stack": "architecture",
    "TrainConfig": "runs.config",
    "Variant": "architecture",
    "build": "models.build",
    "train": "training.train",
}

__all__ = [
    "VARIANTS",
    "Autoencoder",
    "Recipe",
    "Run",
    "Stack",
    "TrainConfig",
    "Variant",
    "__version__",
    "build",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
