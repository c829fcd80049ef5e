"""What holds on a GPU, on torch and JAX: `python tests/gpu.py` runs these where there is one."""

import json
import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from support import interrupted

import keras_mnist_ae as kae
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.models.batches import Batches
from keras_mnist_ae.system import backend

BACKEND = keras.backend.backend()
if BACKEND != "tensorflow":  # which would take all the memory of a GPU
    backend.choose(BACKEND)
if BACKEND == "tensorflow" or backend.device_name() == "cpu":
    pytest.skip("no GPU", allow_module_level=True)

IMAGES = kae.datasets.load("digits").train.images[:203]
KAE = (sys.executable, "-m", "keras_mnist_ae")
SMALL = ("--dataset", "digits", "--limit", "203", "--batch-size", "32", "--backend", BACKEND)
LIMIT = 1e-5  # what comes of other orders of summation; TF32 is off by 1e-3
APART = 2e-3  # of losses after a few epochs, in which roundings turn ReLUs


def run(*command, **more):
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **more}
    done = subprocess.run(
        [*KAE, *map(str, command)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def trained(folder, name, variant, epochs=1, **more):
    return kae.train(
        variant, "digits", limit=203, batch_size=32, epochs=epochs, runs_dir=folder, name=name, **more
    )


def trained_elsewhere(folder, name, variant, *more):
    """By a process of its own."""
    run("train", variant, *SMALL, "--runs-dir", folder, "--name", name, *more)
    return kae.Run(folder / name)


def off(ours, theirs):
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("name", [of.name for of in VARIANTS.values() if not (of.variational or of.switches)])
def test_products_are_those_of_a_processor(name):
    """Against plain PyTorch in float64, before and after training. Not where rounding decides which
    pixel of a pool is the largest.
    """
    import torch

    from keras_mnist_ae.bench.plain import Plain
    from keras_mnist_ae.export import weights

    model = kae.build(name, seed=1)
    model.compile("adam")
    for _ in range(2):
        plain = Plain(VARIANTS[name])
        plain.load(weights.read(model))
        images = torch.from_numpy(to_float(IMAGES).transpose(0, 3, 1, 2).astype(np.float64))
        with torch.no_grad():
            expected = plain.double().eval()(images).numpy().transpose(0, 2, 3, 1)
        assert off(model.reconstruct(IMAGES), expected) < LIMIT
        assert off(model.predict(to_float(IMAGES), verbose=0), expected) < LIMIT
        model.fit(IMAGES, batch_size=32, epochs=1, verbose=0)


def test_fit_says_nothing():
    """Seven batches an epoch, the last smaller: each kind is recorded, and replayed."""
    model = kae.build("conv-best", seed=1)
    model.compile("adam")
    batches = Batches(IMAGES, 32, 0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        losses = model.fit(batches, epochs=6, verbose=0).history["loss"]
    assert not [str(of.message) for of in said if not issubclass(of.category, DeprecationWarning)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("variant", ["conv-unpool", "conv-best", "vae-conv"])
def test_training_is_that_of_a_processor(variant, tmp_path):
    on_gpu = trained(tmp_path, "gpu", variant, 2)
    on_cpu = trained_elsewhere(tmp_path, "cpu", variant, "--epochs", 2, "--device", "cpu")
    assert on_gpu.environment["device"] == backend.device_name()
    assert on_cpu.environment["device"] == "cpu"
    assert on_gpu.history["val_loss"] == pytest.approx(on_cpu.history["val_loss"], rel=APART)


def test_a_stopped_training_goes_on(tmp_path):
    whole = trained(tmp_path, "whole", "conv-best", 30)
    command = [*KAE, "train", "conv-best", *SMALL, "--epochs", "30", "--checkpoint-every", "3"]
    command += ["--runs-dir", str(tmp_path), "--name", "stopped"]
    assert interrupted(command, "epoch  3/") == 130
    run("resume", tmp_path / "stopped")
    resumed = kae.Run(tmp_path / "stopped")
    assert resumed.history["loss"][:3] == pytest.approx(whole.history["loss"][:3], rel=APART)
    assert resumed.history["loss"][-1] == pytest.approx(whole.history["loss"][-1], rel=0.05)


@pytest.mark.parametrize("variant", ["conv-unpool", "conv-best"])
def test_the_exported_graphs_are_equal(variant, tmp_path):
    run_of_ours = trained(tmp_path, "run", variant)
    run_of_ours.evaluate()
    told = json.loads(run("export", "onnx", run_of_ours.path, "--json").stdout)
    for graph in told["graphs"]:
        assert graph["max_abs_diff"] < 1e-4, graph


def test_bfloat16_learns_as_float32(tmp_path):
    float32 = trained(tmp_path, "float32", "conv-best", 4)
    bfloat16 = trained(tmp_path, "bfloat16", "conv-best", 4, precision="bfloat16")
    assert bfloat16.history["val_loss"][-1] == pytest.approx(float32.history["val_loss"][-1], rel=0.1)
    assert bfloat16.history["val_loss"] != float32.history["val_loss"]


@pytest.mark.skipif(BACKEND != "torch", reason="several processes train on torch")
def test_two_processes_share_a_gpu(tmp_path):
    one = trained(tmp_path, "one", "conv-best", 2)
    two = trained_elsewhere(tmp_path, "two", "conv-best", "--epochs", 2, "--processes", 2)
    assert [host["device"] for host in two.environment["hosts"]] == [backend.device_name()] * 2
    assert two.history["loss"] == pytest.approx(one.history["loss"], rel=APART)


def test_onnxruntime_on_the_gpu(tmp_path):
    ort = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip(f"onnxruntime {ort.__version__} here has no CUDA")
    run_of_ours = trained(tmp_path, "run", "conv-best")
    runtime = OnnxAutoencoder(run_of_ours.export_onnx())
    assert runtime.info.providers[0] == "CUDAExecutionProvider"
    assert off(runtime.reconstruct(IMAGES), run_of_ours.model.reconstruct(IMAGES)) < LIMIT
