"""Image autoencoders as tables: train with Keras 3 on torch, TensorFlow or JAX, look at what they
learned, export to ONNX.

Importing this package imports no backend: the public names load what they need when they are first
used. `KERAS_BACKEND` chooses the backend of a Python process (torch unless it says otherwise).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture.stack import Stack
    from .architecture.variant import Recipe, Variant
    from .architecture.variants import VARIANTS
    from .datasets.dataset import Dataset
    from .models.autoencoder import Autoencoder
    from .models.build import build
    from .reporting.anomalies import calibrate
    from .reporting.generated import generate, interpolate
    from .reporting.loading import load
    from .reporting.publish import publish
    from .reporting.steps import analyse, draw, evaluate, export_onnx, report
    from .runs.config import TrainConfig
    from .runs.folder import Run
    from .training.train import train

__version__ = "0.2.0"

_HOME = {
    "VARIANTS": "architecture.variants",
    "Autoencoder": "models.autoencoder",
    "Dataset": "datasets.dataset",
    "Recipe": "architecture",
    "Run": "runs.folder",
    "Stack": "architecture",
    "TrainConfig": "runs.config",
    "Variant": "architecture",
    "analyse": "reporting.steps",
    "calibrate": "reporting.anomalies",
    "build": "models.build",
    "draw": "reporting.steps",
    "evaluate": "reporting.steps",
    "export_onnx": "reporting.steps",
    "generate": "reporting.generated",
    "interpolate": "reporting.generated",
    "load": "reporting.loading",
    "publish": "reporting.publish",
    "report": "reporting.steps",
    "train": "training.train",
}

__all__ = [
    "VARIANTS",
    "Autoencoder",
    "Dataset",
    "Recipe",
    "Run",
    "Stack",
    "TrainConfig",
    "Variant",
    "__version__",
    "analyse",
    "build",
    "calibrate",
    "draw",
    "evaluate",
    "export_onnx",
    "generate",
    "interpolate",
    "load",
    "publish",
    "report",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
