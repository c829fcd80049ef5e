"""Fixtures: real images, and an environment of the tests' own."""

import os
import signal
from importlib.util import find_spec

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as a shell's background jobs have it, and then whatever these start
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing is read from or written to the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """100 real images, float32 of shape (100, 28, 28, 1) in [0, 1]."""
    from keras_mnist_ae import datasets
    from keras_mnist_ae.datasets.images import to_float

    return to_float(datasets.load("digits").test.images[:100])


@pytest.fixture(scope="session")
def installed_backends() -> list[str]:
    return [name for name in ("torch", "tensorflow", "jax") if find_spec(name)]


@pytest.fixture
def float64():
    """Models made meanwhile have float64 weights and compute in it. For torch."""
    import keras
    import torch

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
