"""How many numbers a set needs: one training with nested dropout against what it must be."""

import json
from itertools import pairwise

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers, ops
from sklearn.decomposition import PCA

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.analysis import sizes
from keras_mnist_ae.analysis.codec import Codec
from keras_mnist_ae.cli.main import kae as command
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models.nested import Cuts, nested

DATA = datasets.load("digits")
SHORT = {"dataset": "digits", "epochs": 8, "latent_dim": 16}


def test_cuts_keep_the_first_numbers_and_each_doubling_is_as_likely():
    cuts = Cuts(0, 8)
    images = np.zeros((20_000, 4, 4, 1), np.float32)
    given, mask = cuts(images, 1, 2, 3)
    assert given is images
    kept = mask.sum(axis=1).astype(int)
    np.testing.assert_array_equal(mask, np.arange(8) < kept[:, None])
    share = np.bincount(kept, minlength=9)[1:] / len(kept)
    harmonic = 1 / np.arange(1, 9)
    np.testing.assert_allclose(share, harmonic / harmonic.sum(), atol=0.01)
    np.testing.assert_array_equal(cuts(images, 1, 2, 9)[1], mask)
    assert (Cuts(1, 8)(images, 1, 2, 3)[1] != mask).any()


@pytest.mark.backend
def test_a_step_is_that_of_a_keras_model_whose_codes_are_multiplied():
    """Plain Keras: two inputs, stock layers, Keras' own step."""
    images = to_float(DATA.train.images[:64])
    mask = Cuts(0, 32)(images, 0, 0, 0)[1]
    ours, same = (nested(kae.VARIANTS["mlp"], 3) for _ in range(2))
    shape = keras.Input((32,))
    image = keras.Input((28, 28, 1))
    plain = keras.Model([image, shape], same.decoder(layers.Multiply()([same.encoder(image), shape])))
    for model, inputs in ((ours, (images, mask)), (plain, [images, mask])):
        model.compile(keras.optimizers.SGD(5.0), loss="mse")
        loss = model.train_on_batch(inputs, images)
    for mine, theirs in zip(ours.weights, same.weights, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs), rtol=1e-4, atol=1e-6
        )
    expected = np.square(np.asarray(plain.predict([images, mask], verbose=0)) - images).mean()
    assert loss > expected, "it learns"


def test_errors_of_cut_codes_are_those_of_codes_with_zeros():
    images = DATA.test.images[:30]
    flat = Codec(
        lambda images: [images.reshape(len(images), -1)], lambda codes: codes[0].reshape(-1, 28, 28, 1)
    )
    found = sizes.cut_errors(flat, images, [100, 784])
    expected = np.square(to_float(images).reshape(30, -1)[:, 100:].astype(float)).sum(axis=1) / 784
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    assert not found[1].any()


def test_the_knee_is_where_the_curve_lies_farthest_below_its_chord():
    steps = sizes.grid(32)
    assert steps == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    curve = np.array([max(10 - size, 2) - size / 100 for size in steps], float)
    assert sizes.knee(steps, curve) == 8
    assert sizes.knee(steps, np.linspace(1, 2, len(steps))) == 32, "a curve that rises bends nowhere"
    assert sizes.knee(steps, -np.array(steps, float)) == 1 or sizes.knee([1, 2], np.array([2.0, 1])) == 2
    same = np.repeat(curve[:, None], 50, axis=1)
    assert sizes.knee_interval(steps, same) == [8, 8]
    noisy = same + np.random.default_rng(0).normal(0, 30, same.shape)
    low, high = sizes.knee_interval(steps, noisy)
    assert low < high


@pytest.mark.backend
@pytest.mark.slow("tensorflow", "jax")
def test_one_training_gives_a_falling_curve_beside_pca(tmp_path):
    result = kae.size("mlp", runs_dir=tmp_path, **SHORT)
    curve = result["curve"]
    errors = [row["validation_mse"] for row in curve]
    assert [row["size"] for row in curve] == sizes.grid(16)
    assert all(after < before for before, after in pairwise(errors[:6]))
    assert curve[-1]["explained"] > 0.4
    assert result["interval"][0] <= result["knee"] <= result["interval"][1]
    assert result["command"] == f"kae train mlp --dataset digits --epochs 8 --latent-dim {result['knee']}"
    assert json.loads((tmp_path / "size-mlp-digits" / "size.json").read_text())["curve"] == curve
    assert (tmp_path / "size-mlp-digits" / "size.png").stat().st_size > 10_000
    assert kae.runs(tmp_path).rows == [], "it is no run"
    order = np.random.default_rng(0).permutation(1437)[143:]
    train, test = (
        to_float(images).reshape(len(images), -1)
        for images in (DATA.train.images[np.sort(order)], DATA.test.images)
    )
    linear = PCA(8).fit(train)
    expected = np.square(linear.inverse_transform(linear.transform(test)) - test).mean()
    assert {row["size"]: row["pca_mse"] for row in curve}[8] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_the_curve_orders_sizes_as_separate_trainings_do(tmp_path):
    curve = kae.size("conv", runs_dir=tmp_path, dataset="digits", epochs=20, latent_dim=32)["curve"]
    nested_errors = {row["size"]: row["test_mse"] for row in curve}
    separate = {
        size: kae.train("conv", runs_dir=tmp_path, dataset="digits", epochs=20, latent_dim=size).metrics[
            "test_mse"
        ]
        for size in (2, 8, 32)
    }
    assert nested_errors[2] > nested_errors[8] > nested_errors[32]
    assert separate[2] > separate[8] > separate[32]
    for size, error in separate.items():
        assert 0.9 * error < nested_errors[size] < 4 * error


def test_what_it_does_not_serve_is_refused(tmp_path):
    with pytest.raises(UsageError, match="vae-conv is variational"):
        kae.size("vae-conv", runs_dir=tmp_path, **SHORT)
    with pytest.raises(UsageError, match="pooling switches beside its code"):
        kae.size("conv-unpool", "digits", latent_dim=64, runs_dir=tmp_path)
    with pytest.raises(UsageError, match="noise is no setting"):
        kae.size("mlp", noise="mask:0.5", runs_dir=tmp_path, **SHORT)
    with pytest.raises(UsageError, match="19 training images are too few"):
        kae.size("mlp", limit=19, runs_dir=tmp_path, **SHORT)
    done = CliRunner().invoke(command, ["size", "mlp", "--patience", "3"])
    assert (done.exit_code, "--patience" in done.stderr) == (2, True)
