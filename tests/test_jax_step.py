"""The loop of steps on JAX against stock Keras, and that how steps are put together changes
nothing.
"""

import os
import platform
import subprocess
import sys

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("the steps of the JAX backend", allow_module_level=True)

import jax
from support import interrupted

import keras_mnist_ae as kae
from keras_mnist_ae import build, datasets
from keras_mnist_ae.architecture import transforms
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models import jax_products
from keras_mnist_ae.models.jax_step import Looped
from keras_mnist_ae.system import devices

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


@pytest.mark.parametrize("met", [2**27, 0], ids=["by products", "as XLA has it"])
@pytest.mark.parametrize(
    ("size", "kernel", "inputs", "outputs", "stride", "padding"),
    [
        ((7, 7), (3, 3), 6, 5, 1, (1, 1)),
        ((14, 12), (4, 4), 3, 8, 2, (1, 1)),
        ((9, 10), (3, 2), 2, 4, 2, (0, 1)),  # what is left over at the edges is not met
        ((8, 8), (5, 3), 1, 4, 3, (2, 0)),
        ((6, 6), (2, 4), 4, 1, 1, (0, 2)),
    ],
)
def test_convolutions_and_their_gradients_are_those_of_pytorch(
    monkeypatch, met, size, kernel, inputs, outputs, stride, padding
):
    import torch

    monkeypatch.setattr(jax_products, "LARGEST", met)
    draw = np.random.default_rng(3).normal
    images, weights = draw(size=(4, *size, inputs)), draw(size=(*kernel, inputs, outputs))
    theirs = [
        torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=True),
        torch.tensor(weights.transpose(3, 2, 0, 1).copy(), requires_grad=True),
    ]
    expected = torch.nn.functional.conv2d(*theirs, stride=stride, padding=padding)
    around = tuple((beside, beside) for beside in padding)
    pull = draw(size=tuple(np.array(expected.shape)[[0, 2, 3, 1]]))
    expected.backward(torch.tensor(pull.transpose(0, 3, 1, 2)))
    result, back = jax.vjp(
        lambda *given: jax_products.convolution(*given, stride, around),
        images.astype("float32"),
        weights.astype("float32"),
    )
    of_images, of_weights = back(pull.astype("float32"))
    near = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(result, expected.detach().numpy().transpose(0, 2, 3, 1), **near)
    np.testing.assert_allclose(of_images, theirs[0].grad.numpy().transpose(0, 2, 3, 1), **near)
    np.testing.assert_allclose(of_weights, theirs[1].grad.numpy().transpose(2, 3, 1, 0), **near)


STEPS = """
import os, resource, sys
os.environ["KERAS_BACKEND"] = "jax"
from keras_mnist_ae.system import backend
backend.choose("jax")
import jax, numpy, keras_mnist_ae as kae
model, images = kae.build("vae-conv"), numpy.zeros((640, 28, 28, 1), "float32")
model.compile("adam", loss="mse")
def fit():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    model.fit(images, batch_size=128, verbose=0)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5
print(min(fit() for _ in range(4)), jax.config.read("jax_cpu_enable_async_dispatch"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what keeps memory is glibc's")
def test_memory_of_steps_is_kept_unless_the_environment_says_how():
    """In processes of their own: what glibc was told cannot be taken back. A step of this model
    uses 19,000 pages, which are cleared anew where they are not kept.
    """
    for added, kept in (({}, True), ({"MALLOC_ARENA_MAX": "2"}, False)):
        environment = {**os.environ, **added}
        done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, env=environment)
        faults, asynchronous = done.stdout.split()
        assert (float(faults) < 5000, asynchronous) == (kept, str(not kept)), done.stderr


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


DIGITS = ("--dataset", "digits", "--limit", "205", "--batch-size", "32", "--no-samples", "--backend", "jax")


def command(*arguments):
    """In a process of its own, whose processors can be several devices."""
    return [sys.executable, "-m", "keras_mnist_ae", *map(str, arguments)]


def trained(variant, folder, count, *more):
    given = ("train", variant, *DIGITS, "--runs-dir", folder, "--name", f"{variant}-{count}", *more)
    done = subprocess.run(command(*given, "--processes", count), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return kae.Run(folder / f"{variant}-{count}"), done.stderr


def weights(run):
    return np.concatenate([np.ravel(array) for array in run.model.get_weights()])


@pytest.mark.parametrize(
    ("variant", "more"),
    [
        ("mlp", ("--batch-norm", "--dropout", 0.2, "--noise", "gaussian:0.1", "--augment", "shift:1")),
        pytest.param("conv-best", (), marks=pytest.mark.slow),
        pytest.param("vae-conv", (), marks=pytest.mark.slow),
    ],
)
def test_devices_that_share_each_batch_train_as_one(variant, more, tmp_path):
    """Six batches of 32 and one of 13, which does not divide."""
    (one, _), (two, said) = (trained(variant, tmp_path, count, "--epochs", 2, *more) for count in (1, 2))
    assert (one.environment["devices"], two.environment["devices"]) == (1, 2)
    assert "do not divide" not in said
    ours, theirs = weights(one), weights(two)
    assert 0 < np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(ours), "0 would be one device"
    assert two.history["val_loss"] == pytest.approx(one.history["val_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_stopped_training_on_two_devices_goes_on_to_the_same_bits(tmp_path):
    whole, _ = trained("mlp", tmp_path, 2, "--epochs", 40)
    given = command("train", "mlp", *DIGITS, "--runs-dir", tmp_path, "--name", "stopped", "--epochs", 40)
    assert interrupted([*given, "--processes", "2"], "epoch  3/") == 130
    other = subprocess.run(
        command("resume", tmp_path / "stopped"), capture_output=True, text=True, check=False
    )
    assert other.returncode == 2
    assert "cannot be resumed exactly: devices was 2, is 1" in other.stderr
    subprocess.run(command("resume", tmp_path / "stopped", "--processes", 2), check=True)
    np.testing.assert_array_equal(weights(kae.Run(tmp_path / "stopped")), weights(whole))


def test_more_devices_than_there_are_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_asked", 2)
    with pytest.raises(UsageError, match="processes=2 takes as many devices on JAX, which sees 1 cpu here"):
        kae.train("mlp", "digits", limit=64, epochs=1, runs_dir=tmp_path)


@pytest.mark.slow
def test_batches_that_do_not_divide_are_told(tmp_path):
    _, said = trained("mlp", tmp_path, 3, "--epochs", 1)
    assert "batches of 32 do not divide among 3 devices: each computes all; --batch-size 33 would" in said
