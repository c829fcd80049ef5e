"""Which Keras backend and device this process uses: chosen once, before the first `import keras`,
and torch unless told otherwise.
"""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from ..errors import MissingDependencyError, UsageError
from . import devices, jax_memory, lean

INSTALL = {
    "torch": "pip install torch",
    "tensorflow": "pip install 'keras_mnist_ae[tensorflow]'",
    "jax": "pip install 'keras_mnist_ae[jax]'",
}
BACKENDS = tuple(INSTALL)
DEVICES = ("auto", "cpu", "gpu")

_NAMED = "KERAS_BACKEND" in os.environ
os.environ.setdefault("KERAS_BACKEND", "torch")
if sys.platform == "darwin" and "KERAS_TORCH_DEVICE" not in os.environ:
    os.environ["KERAS_TORCH_DEVICE"] = "cpu"  # Keras would take mps, on which nothing here was ever tried
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # heard by onnxruntime only before its import
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes are not messages of ours


def warn_of_another() -> None:
    """Say once where Keras was imported before this package, on another backend than torch that
    nobody named.
    """
    found = current()
    if found != os.environ["KERAS_BACKEND"] and not _NAMED:
        warnings.warn(
            f"Keras was imported before keras_mnist_ae and runs on {found}, which is used. For torch import "
            "keras_mnist_ae first, or set KERAS_BACKEND=torch.",
            stacklevel=3,
        )


def current() -> str:
    """Name of the backend that Keras runs on, or will run on."""
    if sys.modules.get("keras"):
        return str(sys.modules["keras"].backend.backend())
    return os.environ["KERAS_BACKEND"]  # checked where it is used: TrainConfig


def choose(backend: str, device: str = "auto") -> None:
    """Make Keras use `backend` on `device`: "auto" is the GPU where the backend sees one.

    Raises `MissingDependencyError` when the backend is not installed, and `UsageError` when Keras
    runs on another one already (it cannot change within a process) or when a GPU is asked for and
    the backend sees none.
    """
    if backend != current() and "keras" in sys.modules:
        raise UsageError(
            f"backend {backend!r} was asked for, but Keras runs on {current()!r} in this process already.\n"
            f"Set KERAS_BACKEND={backend} before keras is imported, or start a new process."
        )
    if find_spec(backend) is None:
        raise MissingDependencyError(
            f"the backend {backend!r} is not installed.\nInstall it: {INSTALL[backend]}"
        )
    os.environ["KERAS_BACKEND"] = backend
    if device == "cpu":
        if "keras" not in sys.modules:
            os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu", KERAS_TORCH_DEVICE="cpu")
        elif device_name() != "cpu":
            raise UsageError(
                f"device 'cpu' was asked for, but Keras computes on {device_name()} in this process "
                "already; start a new one."
            )
    if backend == "tensorflow" and "tensorflow" not in sys.modules:
        with _stderr_muted(), lean.imports(backend):
            import_module("tensorflow")
        # which it says of several models, as if they were one that is traced again and again
        logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))
    leave_triton()
    if backend == "jax" and devices.count() == 1:
        jax_memory.keep()
    lean.load(backend)
    if device == "gpu" and device_name() == "cpu":
        raise UsageError(
            f"a GPU was asked for, but {backend} sees none on this machine.\n"
            f"Use --device cpu, or install a GPU build of {backend}."
        )
    if device_name() != "cpu":
        _compute_in_float32(backend)


def _compute_in_float32(backend: str) -> None:
    """On a GPU the backends round what goes into float32 products to 10 bits (TF32), an error of
    1e-3, unless they are told not to.
    """
    match backend:
        case "torch":
            import_module("torch").backends.cudnn.allow_tf32 = False
        case "jax":
            import_module("jax").config.update("jax_default_matmul_precision", "highest")
        case _:
            tensorflow = import_module("tensorflow")
            tensorflow.config.experimental.enable_tensor_float_32_execution(False)


def leave_triton() -> None:
    """Where TensorFlow is loaded, let torch find no triton. From 2.14 on it imports that with its
    first optimizer, and the two in this order end the process.
    """
    if "tensorflow" in sys.modules:
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]


@contextmanager
def _stderr_muted() -> Iterator[None]:
    """TensorFlow's libraries write start-up notes straight to the file descriptor, before any
    setting of theirs is heard.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed: nothing is heard of it anyway
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def device_name() -> str:
    """What the backend computes on: "cpu", or the name of the accelerator."""
    match current():
        case "torch":
            import torch
            from keras.src.backend.torch.core import get_device

            device = get_device()
            return torch.cuda.get_device_name() if device.startswith("cuda") else device
        case "tensorflow":
            import tensorflow as tf

            found = tf.config.list_physical_devices("GPU")
            return (
                tf.config.experimental.get_device_details(found[0]).get("device_name", "gpu")
                if found
                else "cpu"
            )
        case "jax":
            import jax

            return jax.devices()[0].device_kind if jax.default_backend() != "cpu" else "cpu"
        case other:
            raise UsageError(
                f"unknown Keras backend {other!r} (KERAS_BACKEND); use one of {', '.join(BACKENDS)}"
            )
