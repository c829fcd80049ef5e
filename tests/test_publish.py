"""Published folders: as Keras opens them from a hub, and as `kae.load` does."""

import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras.src.saving import saving_lib

import keras_mnist_ae as kae
from keras_mnist_ae.cli.main import kae as command
from keras_mnist_ae.errors import CorruptFileError, MissingDependencyError, UsageError
from keras_mnist_ae.export.runtime import OnnxAutoencoder

IMAGES = kae.datasets.load("digits").test.images[:8]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return kae.train("mlp", dataset="digits", limit=100, epochs=1, runs_dir=folder, name="small")


@pytest.fixture(scope="module")
def published(run, tmp_path_factory):
    target = tmp_path_factory.mktemp("to") / "published"
    arguments = ["publish", str(run.path), "--to", str(target), "--licence", "mit", "--json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert json.loads(done.stdout)["folder"] == str(target)
    return target


@pytest.fixture
def hub(published, monkeypatch):
    """A hub that holds the folder; the addresses that it was asked for."""
    asked = []

    def snapshot_download(repo_id, revision=None, **_):
        asked.append((repo_id, revision))
        return str(published)

    errors = SimpleNamespace(HfHubHTTPError=type("HfHubHTTPError", (Exception,), {}))
    fake = SimpleNamespace(snapshot_download=snapshot_download, errors=errors)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)
    monkeypatch.setattr(saving_lib, "huggingface_hub", fake)
    return asked


def test_keras_opens_it_from_a_hub_without_this_package(run, hub):
    model = keras.saving.load_model("hf://user/small")
    assert type(model) is keras.Model or "Functional" in type(model).__name__
    images = IMAGES.astype("float32") / 255
    theirs = model.predict(images, verbose=0)
    np.testing.assert_allclose(theirs, run.model.predict(images, verbose=0), atol=1e-6)


def test_load_opens_it_with_encoder_and_decoder_at_a_revision(run, hub):
    autoencoder = kae.load("hf://user/small@v1")
    assert hub == [("user/small", "v1")]
    assert isinstance(autoencoder, kae.Autoencoder)
    for ours, theirs in zip(autoencoder.weights, run.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_load_opens_whatever_the_package_wrote(run, published):
    assert kae.load(run.path).name == "small"
    assert isinstance(kae.load(str(run.path / "model.keras")), kae.Autoencoder)
    assert isinstance(kae.load(published), kae.Autoencoder)
    assert isinstance(kae.load(published / "onnx"), OnnxAutoencoder)


def test_card_holds_metrics_with_intervals_the_licence_and_no_path(run, published):
    card = (published / "README.md").read_text("utf-8")
    metrics = kae.Run(run.path).metrics
    low, high = metrics["intervals"]["mse"]
    assert f"| MSE | {metrics['mse']:.5f} | {low:.5f} - {high:.5f} |" in card
    assert 'license: "mit"' in card
    assert str(run.path.parent) not in card


def test_folder_that_is_not_empty_is_left_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        kae.publish(run, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_damaged_or_foreign_folder_is_refused(published, tmp_path):
    with pytest.raises(UsageError, match="holds none of them"):
        kae.load(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        kae.load(tmp_path / "nope")
    for name in ("config.json", "metadata.json", "model.weights.h5"):
        (tmp_path / name).write_bytes((published / name).read_bytes()[:-50])
    with pytest.raises(CorruptFileError):
        kae.load(tmp_path)


def test_hub_without_its_package_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"keras_mnist_ae\[hub\]"):
        kae.load("hf://user/small")
