"""Image autoencoders as tables: train with Keras 3 on torch, TensorFlow or JAX, look at what they
learned, export to ONNX.

Importing this package imports no backend: the public names load what they need when they are first
used. `KERAS_BACKEND` chooses the backend of a Python process, torch unless it says otherwise, also
for an `import keras` that comes after. Where Keras was imported before on another backend, that one
serves, which is said once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .system import backend as _backend  # chooses torch where nothing else is named

if TYPE_CHECKING:
    from .architecture.stack import Stack
    from .architecture.variant import Recipe, Variant
    from .architecture.variants import VARIANTS
    from .bench.sweep_table import sweep
    from .datasets.dataset import Dataset
    from .models.autoencoder import Autoencoder
    from .models.build import build
    from .reporting.anomalies import score
    from .reporting.calibration import calibrate
    from .reporting.explorer.explore import explore
    from .reporting.generated import generate, interpolate
    from .reporting.loading import load
    from .reporting.publish import publish
    from .reporting.sizes import size
    from .reporting.steps import analyse, draw, evaluate, export_onnx, report
    from .runs.config import TrainConfig
    from .runs.folder import Run
    from .runs.listing import runs
    from .training.train import train

__version__ = "0.2.0"

_HOME = {  # those that `__all__` leaves out are methods of `Run`
    "VARIANTS": "architecture.variants",
    "Autoencoder": "models.autoencoder",
    "Dataset": "datasets.dataset",
    "Recipe": "architecture",
    "Run": "runs.folder",
    "Stack": "architecture",
    "TrainConfig": "runs.config",
    "Variant": "architecture",
    "analyse": "reporting.steps",
    "calibrate": "reporting.calibration",
    "cluster": "reporting.clustered",
    "build": "models.build",
    "compare": "bench.compare",
    "conclude": "training.resume",
    "displayed": "runs.display",
    "draw": "reporting.steps",
    "evaluate": "reporting.steps",
    "explore": "reporting.explorer.explore",
    "export_onnx": "reporting.steps",
    "from_model": "training.adopt",
    "generate": "reporting.generated",
    "interpolate": "reporting.generated",
    "load": "reporting.loading",
    "publish": "reporting.publish",
    "report": "reporting.steps",
    "resume": "training.resume",
    "runs": "runs.listing",
    "score": "reporting.anomalies",
    "size": "reporting.sizes",
    "sweep": "bench.sweep_table",
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
    "explore",
    "export_onnx",
    "generate",
    "interpolate",
    "load",
    "publish",
    "report",
    "runs",
    "score",
    "size",
    "sweep",
    "train",
]


_backend.warn_of_another()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
