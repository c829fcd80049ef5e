"""What version 0.1.0 wrote opens, resumes, exports and validates: see tests/data/README.md."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("runs of the torch backend", allow_module_level=True)

from click.testing import CliRunner

from keras_mnist_ae import Run, datasets
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.export.runtime import OnnxAutoencoder

WRITTEN = Path(__file__).parent / "data" / "version-0.1.0"


@pytest.fixture
def old(tmp_path):
    """A function from the name of a run of version 0.1.0 to a copy of it."""
    return lambda name: Run(shutil.copytree(WRITTEN / name, tmp_path / name))


@pytest.fixture(scope="module")
def outputs():
    with np.load(WRITTEN / "outputs.npz") as file:
        return dict(file)


def answer(*words):
    done = CliRunner().invoke(kae, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_digits_are_the_same():
    """The runs hold their sha256: without the same images no run of them could be resumed."""
    assert datasets.load("digits").sha256 == Run(WRITTEN / "finished").environment["dataset_sha256"]


def test_model_computes_what_it_did(outputs):
    model = Run(WRITTEN / "finished").model
    images = outputs["images"] / np.float32(255)
    latent, switch = model.encoder.predict_on_batch(images)
    np.testing.assert_allclose(latent, outputs["latent"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(switch, outputs["switch"])
    np.testing.assert_allclose(model.predict_on_batch(images), outputs["reconstructions"], atol=1e-5)


def test_graphs_compute_what_they_did(outputs):
    graphs = OnnxAutoencoder(WRITTEN / "finished" / "onnx")
    np.testing.assert_allclose(graphs.reconstruct(outputs["images"]), outputs["reconstructions"], atol=1e-5)


def test_interrupted_run_ends_like_the_one_that_was_not(old):
    """But for the moving statistics, which version 0.1.0 left as the last batches had them."""
    run = old("interrupted")
    assert answer("resume", run.path, "--allow-inexact")["epochs"] == 3
    never_stopped = Run(WRITTEN / "finished")
    for column in ("loss", "val_loss"):
        np.testing.assert_allclose(run.history[column], never_stopped.history[column], rtol=1e-4)
    weights, expected = (of.model.trainable_weights for of in (run, never_stopped))
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (ours, theirs)), atol=1e-3)


def test_finished_run_is_measured_as_it_was(old):
    run = old("finished")
    before = dict(run.metrics)
    measured = answer("evaluate", run.path)["mse"]
    assert measured == pytest.approx(before["test_mse"], rel=1e-5)


def test_old_graphs_and_new_ones_validate(old, outputs):
    run = old("finished")
    then = answer("validate", run.path, "--images", 32)
    now = answer("export", "onnx", run.path, "--images", 32)
    assert [graph["passed"] for graph in (*then["graphs"], *now["graphs"])] == [True] * 6
    graphs = OnnxAutoencoder(run.path / "onnx")
    np.testing.assert_allclose(graphs.reconstruct(outputs["images"]), outputs["reconstructions"], atol=1e-5)
