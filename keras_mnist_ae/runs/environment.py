"""What the bits of a result depend on beside the settings: versions, processor, threads, data."""

import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__
from ..datasets.catalog import Dataset
from ..models import torch_threads
from ..system import backend, devices, processes
from ..system.group import joined
from .config import TrainConfig


def describe(config: TrainConfig, data: Dataset) -> dict[str, Any]:
    """What the bits of a result hang on, beside the settings."""
    import keras

    here = {
        "processor": _processor(),
        "floatx": keras.config.floatx(),
        "image_data_format": keras.config.image_data_format(),
    }
    if config.backend == "torch":
        import torch

        here["instructions"] = torch.backends.cpu.get_cpu_capability()
    of_step = torch_threads.of_step(config.architecture(data.image_shape), config.batch_size)
    return {
        **here,
        "backend": config.backend,
        config.backend: sys.modules[config.backend].__version__,
        "device": backend.device_name(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(of_step or "unset"),
        "processes": processes.count(),
        "devices": devices.count(),
        **({"hosts": group.members} if (group := joined()) else {}),
        "dataset": data.name,
        **({"depth": list(data.depth)} if data.depth else {}),
        "dataset_sha256": data.sha256,
        "train_images": len(data.train.images),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def versions() -> dict[str, Any]:
    """Of Python, the platform and the packages that every backend needs."""
    packages = {name: version(name) for name in ("keras", "numpy")}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "keras_mnist_ae": __version__,
        **packages,
    }
