"""Fixtures, and which tests run when: see `pytest_addoption`."""

import datetime
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from chromium import axe, browser, onnxruntime_web, script  # noqa: F401

os.environ.setdefault("KERAS_BACKEND", "torch")
BACKEND = os.environ["KERAS_BACKEND"]
# Nothing is read from or written to the user's cache folder, not even by what test files do when they
# are imported; the tests of a session share one, with the digits and what JAX has compiled.
CACHE = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="kae-tests-")
if BACKEND != "torch":  # PyTorch's optimizers are oracles beside TensorFlow: see backend.leave_triton
    sys.modules.setdefault("triton", None)
STARTED = pytest.StashKey[float]()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background jobs of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the slow tests too: make test-full")
    parser.addoption(
        "--backend-only",
        action="store_true",
        help="only the tests marked `backend`, which depend on the Keras backend",
    )
    parser.addoption("--record", type=Path, metavar="FILE", help="write the result there, as JSON")
    parser.addoption(
        "--part",
        default="1/1",
        metavar="K/N",
        help="every N-th test file, from the K-th: TensorFlow keeps what XLA compiled until the process "
        "ends, and Linux allows a process 65,530 pieces of memory; --record adds the parts up",
    )


def pytest_configure(config):
    config.stash[STARTED] = time.monotonic()


def pytest_unconfigure():
    shutil.rmtree(CACHE, ignore_errors=True)


def pytest_sessionfinish(session, exitstatus):
    """Record the result, as the reliability page shows it."""
    file = session.config.getoption("--record")
    if file is None:
        return
    reports = session.config.pluginmanager.get_plugin("terminalreporter").stats
    minutes = round((time.monotonic() - session.config.stash[STARTED]) / 60, 1)
    counts = {outcome: len(reports.get(outcome, ())) for outcome in ("passed", "failed", "error", "skipped")}
    added = {"exit": int(exitstatus), **counts, "minutes": minutes}
    if not session.config.getoption("--part").startswith("1/"):
        before = json.loads(file.read_text(encoding="utf-8"))
        added = {key: round(value + before[key], 1) for key, value in added.items()}
    record = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "backend": BACKEND,
        "full": session.config.getoption("--full"),
        **added,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", "numpy", "onnxruntime")},
            BACKEND: import_module(BACKEND).__version__,
        },
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def pytest_collection_modifyitems(config, items):
    """Leave out slow tests without --full, and others than backend tests with --backend-only.

    `slow` takes the backends on which a test is slow: none means all.
    """
    kept, left_out = [], []
    part, parts = map(int, config.getoption("--part").split("/"))
    files = list(dict.fromkeys(item.path for item in items))
    chosen = set(files[part - 1 :: parts])
    for item in items:
        slow = [mark for mark in item.iter_markers("slow") if not mark.args or BACKEND in mark.args]
        runs = config.getoption("--full") or not slow
        runs = runs and (item.get_closest_marker("backend") or not config.getoption("--backend-only"))
        (kept if runs and item.path in chosen else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """100 real images, float32 of shape (100, 28, 28, 1) in [0, 1]."""
    from keras_mnist_ae import datasets
    from keras_mnist_ae.datasets.images import to_float

    return to_float(datasets.load("digits").test.images[:100])


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory):
    """A function from the name of a variant to a short run of it, trained once per session. Tests
    that write to a run take a copy: see `copied_run`.
    """
    from keras_mnist_ae import train

    folder, runs = tmp_path_factory.mktemp("finished"), {}

    def finished(variant):
        if variant not in runs:
            runs[variant] = train(
                variant, dataset="digits", limit=64, epochs=1, runs_dir=folder, name=variant
            )
        return runs[variant]

    return finished


@pytest.fixture
def copied_run(finished_runs, tmp_path):
    """A function from the name of a variant to a copy of its short run, to be written to."""
    from keras_mnist_ae import Run

    def copy(variant, name="mine"):
        return Run(shutil.copytree(finished_runs(variant).path, tmp_path / name))

    return copy


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
