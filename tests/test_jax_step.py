"""The loop of steps on JAX against stock Keras, and that how steps are put together changes
nothing.
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("the steps of the JAX backend", allow_module_level=True)

from keras_mnist_ae import build, datasets
from keras_mnist_ae.architecture import transforms
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.models.jax_step import Looped

pytestmark = pytest.mark.backend


IMAGES = to_float(datasets.load("digits").train.images[:300])  # nine batches of 32, and one of 12


def fitted(model, steps_per_execution=1, **how):
    model.compile(keras.optimizers.Adam(1e-3), loss="mse", steps_per_execution=steps_per_execution, **how)
    history = model.fit(IMAGES, IMAGES, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    return history, model.get_weights()


def changed():
    """With layers that have a state: batch normalisation and dropout."""
    return build(transforms.dropout(transforms.batch_norm(VARIANTS["mlp"]), 0.2), seed=1)


@pytest.mark.parametrize("make", [lambda: build("mlp", seed=1), changed], ids=["mlp", "batch norm, dropout"])
def test_loop_trains_as_stock_keras(make):
    ours, stock = make(), make()._stock()
    (history, weights), (stock_history, stock_weights) = fitted(ours, 4), fitted(stock)
    assert isinstance(ours.train_function, Looped)
    np.testing.assert_allclose(history["loss"], stock_history["loss"], rtol=1e-5)
    for our, their in zip(weights, stock_weights, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4 * max(1e-3, np.abs(their).max()))


def test_weights_do_not_hang_on_how_many_steps_make_an_execution():
    history, weights = fitted(changed(), 1)
    for steps in (3, 4, 16):
        again, others = fitted(changed(), steps)
        assert again == history
        assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))


def test_callbacks_hear_of_the_batches_of_an_execution():
    heard = []
    model = build("mlp")
    model.compile("adam", loss="mse", steps_per_execution=4)
    hear = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: heard.append((batch, logs["loss"]))
    )
    history = model.fit(IMAGES, IMAGES, batch_size=32, callbacks=[hear], verbose=0).history
    assert [batch for batch, _ in heard] == [3, 7, 11]  # as Keras counts
    assert float(heard[-1][1]) == pytest.approx(history["loss"][0])


@pytest.mark.parametrize(
    ("name", "how"), [("conv-avgpool", {}), ("mlp", {"run_eagerly": True}), ("mlp", {"jit_compile": False})]
)
def test_what_a_loop_would_slow_down_or_cannot_serve_runs_keras_steps(name, how):
    model = build(name)
    model.compile("adam", loss="mse", **how)
    model.make_train_function()
    assert not isinstance(model.train_function, Looped)


def test_single_batches_and_weights_of_pixels_go_through_the_loop():
    """What else calls `train_function`, and with more than two arrays."""
    ours, stock = build("mlp", seed=1), build("mlp", seed=1)._stock()
    for model in (ours, stock):
        model.compile(keras.optimizers.Adam(1e-3), loss="mse", steps_per_execution=4 if model is ours else 1)
        model.fit(
            IMAGES,
            IMAGES,
            sample_weight=np.linspace(0, 2, len(IMAGES))[:, None, None],
            batch_size=32,
            shuffle=False,
            verbose=0,
        )
    weighted = [float(model.train_on_batch(IMAGES[:32], IMAGES[:32])) for model in (ours, stock)]
    assert isinstance(ours.train_function, Looped)
    assert weighted[0] == pytest.approx(weighted[1], rel=1e-5)
    for our, their in zip(ours.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-4 * max(1e-3, np.abs(their).max()))
