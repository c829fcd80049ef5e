"""Models that are compiled and fitted by hand, as Keras models are."""

import copy
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.errors import DataError, UsageError

pytestmark = pytest.mark.backend


def images(count=64):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)


def fitted(name="mlp", **options):
    model = kae.build(name)
    model.compile("adam", None if model.variant.variational else "mse")
    model.fit(images(), verbose=0, **options)
    return model


@pytest.fixture(scope="module")
def mlp():
    return fitted()


def test_fit_of_images_alone_is_fit_to_themselves(mlp):
    other = kae.build("mlp")
    other.compile("adam", "mse")
    scaled = images()[..., np.newaxis].astype(np.float32) / np.float32(255)
    other.fit(scaled, scaled, verbose=0, shuffle=False)
    same = kae.build("mlp")
    same.compile("adam")  # without a loss, the mean squared error
    same.fit(images(), verbose=0, shuffle=False)
    for one, two in zip(other.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x,
        lambda x: x[..., np.newaxis],
        lambda x: (x / 255).astype(np.float64),
        lambda x: np.asfortranarray(x / np.float32(255)),
        lambda x: np.repeat(x, 2, axis=0)[::2],
    ],
)
def test_arrays_of_any_type_and_layout_give_the_same_codes(mlp, given):
    x = images(8)
    expected = mlp.encoder.predict_on_batch(x[..., np.newaxis].astype(np.float32) / np.float32(255))
    codes = mlp.encode(given(x))
    np.testing.assert_allclose(codes, expected, atol=1e-5)
    np.testing.assert_allclose(mlp.decode(codes), mlp.reconstruct(given(x)), atol=1e-5)
    assert mlp.decode(codes[0]).shape == (1, 28, 28, 1)
    np.testing.assert_allclose(mlp.predict(x, verbose=0), mlp.reconstruct(x), atol=1e-5)


def test_variational_model_adds_its_divergence_by_itself():
    """The loss is the reconstruction plus the divergence that a formula of numpy gives."""
    model = fitted("vae-mlp", epochs=2)
    losses = model.evaluate(images(), verbose=0, return_dict=True)
    x = images()[..., np.newaxis].astype(np.float32) / np.float32(255)
    mean, log_variance = (np.asarray(part, np.float64) for part in model.encoder.predict_on_batch(x))
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
    assert losses["kl"] == pytest.approx(kl, rel=1e-3)
    assert losses["loss"] == pytest.approx(losses["reconstruction"] + losses["kl"], rel=1e-5)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(20):  # what its own sampling must come to, up to the spread of the noise
        code = mean + np.exp(log_variance / 2) * generator.standard_normal(mean.shape)
        y = 1e-6 + (1 - 2e-6) * np.asarray(
            model.decoder.predict_on_batch(code.astype(np.float32)), np.float64
        )
        draws.append(-(x * np.log(y) + (1 - x) * np.log(1 - y)).sum(axis=(1, 2, 3)).mean())
    assert losses["reconstruction"] == pytest.approx(np.mean(draws), abs=max(6 * np.std(draws), 0.01))
    history = model.fit(images(), epochs=2, verbose=0).history
    assert {"loss", "kl", "reconstruction"} <= history.keys()
    assert history["loss"][-1] == pytest.approx(history["kl"][-1] + history["reconstruction"][-1], rel=1e-5)


def test_saved_model_comes_back_as_itself_with_its_optimizer(mlp, tmp_path):
    path = tmp_path / "model.keras"
    mlp.save(path)
    there = keras.saving.load_model(path)
    assert isinstance(there, kae.Autoencoder)
    for one, two in zip(mlp.optimizer.variables, there.optimizer.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(two), err_msg=one.path
        )
    np.testing.assert_array_equal(there.reconstruct(images(4)), mlp.reconstruct(images(4)))
    there.fit(images(), verbose=0)
    np.testing.assert_array_equal(kae.load(path).reconstruct(images(4)), mlp.reconstruct(images(4)))


def test_saved_model_is_a_stock_one_without_the_package(mlp, tmp_path):
    mlp.save(tmp_path / "model.keras")
    code = (
        "import sys; sys.modules['keras_mnist_ae'] = None\n"
        "import keras; model = keras.saving.load_model('model.keras')\n"
        "print(type(model).__name__, model.compiled, int(model.optimizer.iterations))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["Functional", "True", str(int(mlp.optimizer.iterations))]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), keras.models.clone_model]
)
def test_copies_compute_the_same(mlp, copied):
    other = copied(mlp)
    other.set_weights(mlp.get_weights())
    np.testing.assert_array_equal(
        other.predict(images(4)[..., np.newaxis] / np.float32(255), verbose=0),
        mlp.predict(images(4), verbose=0),
    )


def test_frozen_encoder_stays_as_it_is_and_stays_frozen_in_a_copy():
    model = kae.build("mlp")
    model.encoder.trainable = False
    before = model.encoder.get_weights()
    model.compile("adam", "mse")
    model.fit(images(), verbose=0)
    for one, two in zip(before, model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    copied = kae.Autoencoder.from_config(model.get_config())
    assert not copied.encoder.trainable
    assert copied.decoder.trainable


@pytest.mark.slow("tensorflow", "jax")
def test_hand_fitted_model_exports_the_bytes_of_a_run_of_the_same_seed(tmp_path):
    data = kae.Dataset.from_arrays(datasets.load("digits").train.images[:64])
    adam = {"learning_rate": 0.002}
    run = kae.train(
        "mlp",
        data,
        epochs=2,
        batch_size=16,
        seed=3,
        optimizer=keras.optimizers.Adam(**adam),
        runs_dir=tmp_path,
        name="run",
    )
    model = kae.build("mlp", seed=3)
    model.compile(keras.optimizers.Adam(**adam), "mse")
    model.fit(data, batch_size=16, epochs=2, verbose=0)
    mine = kae.Run.from_model(model, data, runs_dir=tmp_path, name="mine")
    assert mine.metrics == run.metrics
    np.testing.assert_allclose(mine.history["val_loss"], run.history["val_loss"], rtol=1e-5)
    for file in ("encoder.onnx", "decoder.onnx", "autoencoder.onnx"):
        assert (mine.export_onnx() / file).read_bytes() == (run.export_onnx() / file).read_bytes()
    np.testing.assert_allclose(mine.predict(data.test.images), model.reconstruct(data.test.images), atol=1e-6)
    assert [each.name for each in kae.runs(tmp_path)] == ["mine", "run"]


def test_model_of_another_kind_is_no_run(tmp_path):
    with pytest.raises(UsageError, match="Sequential; give an Autoencoder"):
        kae.Run.from_model(keras.Sequential([keras.layers.Dense(1)]), images(), runs_dir=tmp_path)


def test_images_that_are_no_numbers_are_refused(mlp):
    broken = np.zeros((4, 28, 28), np.float32)
    broken[2, 0, 0] = np.nan
    with pytest.raises(DataError, match="image number 2 holds NaN"):
        mlp.fit(broken, verbose=0)
    with pytest.raises(DataError, match="int64; give uint8"):
        mlp.predict(np.zeros((4, 28, 28), np.int64))


def test_family_has_a_table_for_other_images():
    model = kae.build("vae-conv", latent_dim=8, image=(3, 32, 48), batch_norm=True)
    assert model.input.shape == (None, 32, 48, 3)
    assert model.encode(np.zeros((2, 32, 48, 3), np.uint8)).shape == (2, 8)
    with pytest.raises(UsageError, match=r"mlp takes images of 1x28x28 .*\n.*conv, conv-best, vae-conv"):
        kae.build("mlp", image=(3, 32, 32))


def test_callbacks_of_keras_work_in_train(tmp_path):
    callbacks = keras.callbacks
    early = callbacks.EarlyStopping(monitor="val_loss", patience=1, min_delta=1.0, restore_best_weights=True)
    run = kae.train(
        "mlp",
        "digits",
        limit=64,
        epochs=4,
        runs_dir=tmp_path,
        name="run",
        callbacks=[
            early,
            callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras"),
            callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=1.0),
            callbacks.CSVLogger(str(tmp_path / "log.csv")),
        ],
    )
    assert len(run.history["loss"]) == 2  # no epoch is better than the first by 1
    first = keras.saving.load_model(tmp_path / "1.keras")
    for one, two in zip(first.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)  # restored
    second = keras.saving.load_model(tmp_path / "2.keras")
    assert isinstance(second, kae.Autoencoder)
    assert float(second.optimizer.learning_rate) == pytest.approx(run.config.learning_rate)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert len(lines) == 3
    assert run.environment["custom"]["callbacks"].startswith("EarlyStopping, ModelCheckpoint")
