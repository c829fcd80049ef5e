"""One conformance suite over all variants: tables, Keras models, agreement with PyTorch and between
backends, saving.
"""

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import torch
from support import quick_elsewhere
from torch_modules import MODULES, with_weights_of

from keras_mnist_ae import build
from keras_mnist_ae.architecture import Conv, ConvTranspose, Flatten, Recipe, Stack, Unflatten, Variant, text
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.models.saving import load

pytestmark = pytest.mark.backend


ALL = sorted(VARIANTS)

# Sizes and counts as the references print them; conv-unpool's parameters are counted by hand below.
REFERENCE = {
    "conv-avgpool": (64, 62_905, "16x14x14 32x7x7 64x4x4 64x1x1 64", "64x1x1 32x4x4 16x7x7 8x14x14 1x28x28"),
    "conv-k15": (64, 94_393, "8x16x16 16x8x8 32x4x4 64x1x1 64", "64x1x1 32x4x4 16x8x8 8x16x16 1x28x28"),
    "conv-k16": (64, 707_121, "16x28x28 32x14x14 64x1x1 64", "64x1x1 32x7x7 16x14x14 1x28x28"),
    "conv-unpool": (
        64,
        (9 * 16 + 32)
        + (9 * 16 * 32 + 64)
        + (49 * 32 * 64 + 64)
        + (49 * 64 * 32 + 64)
        + (9 * 32 * 16 + 32)
        + (9 * 16 + 1),
        "16x28x28 16x14x14 32x14x14 32x7x7 64x1x1 64",
        "64x1x1 32x7x7 32x14x14 16x14x14 16x28x28 1x28x28",
    ),
    "mlp": (32, 222_384, "1x28x28 784 128 64 32", "64 128 784 1x28x28 1x28x28"),
    # Ours: a normalised layer has a scale and an offset for each output where another one has a
    # bias.
    "conv": (
        32,
        (16 * 32 + 64)
        + (16 * 32 * 64 + 128)
        + (3136 * 32 + 32)
        + (32 * 3136 + 3136)
        + (16 * 64 * 32 + 64)
        + (16 * 32 + 1),
        "32x14x14 64x7x7 3136 32",
        "3136 64x7x7 32x14x14 1x28x28",
    ),
    "conv-best": (
        64,
        (16 * 32 + 64)
        + (16 * 32 * 64 + 128)
        + 4 * (9 * 64 * 64 + 128)
        + 3136 * 64
        + 64
        + 64 * 3136
        + 3136
        + (16 * 64 * 32 + 64)
        + 16 * 32
        + 1,
        "32x14x14 64x7x7 64x7x7 64x7x7 64x7x7 64x7x7 3136 64",
        "3136 64x7x7 64x7x7 64x7x7 64x7x7 64x7x7 32x14x14 1x28x28",
    ),
    "vae-conv": (
        16,
        (16 * 32 + 64)
        + (16 * 32 * 64 + 128)
        + 3137 * 256
        + 2 * 257 * 16
        + 17 * 256
        + 257 * 3136
        + (16 * 64 * 32 + 64)
        + 16 * 32
        + 1,
        "32x14x14 64x7x7 3136 256 16",
        "256 3136 64x7x7 32x14x14 1x28x28",
    ),
    "vae-mlp": (
        16,
        785 * 512 + 513 * 256 + 2 * 257 * 16 + 17 * 256 + 257 * 512 + 513 * 784,
        "784 512 256 16",
        "256 512 784 1x28x28",
    ),
}


def as_list(value):
    return value if isinstance(value, list) else [value]


def randomised(name):
    """A model whose biases and batch statistics are not the zeros and ones of a fresh one."""
    model, generator = build(name, seed=3), np.random.default_rng(5)
    for weight in model.weights:
        if weight.path.endswith(("bias", "beta", "moving_mean")):
            weight.assign(generator.normal(0, 0.1, weight.shape))
        elif weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(generator.uniform(0.5, 2, weight.shape))
    return model


@pytest.mark.parametrize("name", ALL)
def test_table_is_the_reference(name):
    variant = VARIANTS[name]
    assert REFERENCE[name] == (
        variant.latent,
        variant.parameters,
        " ".join(text(step.output) for step in variant.encoder),
        " ".join(text(step.output) for step in variant.decoder),
    )


@pytest.mark.parametrize("name", ALL)
def test_keras_model_has_the_tables_shapes_and_parameters(name):
    model = build(name)
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == VARIANTS[name].parameters
    assert model.input_shape == model.output_shape == (None, 28, 28, 1)
    assert as_list(model.encoder.output)[0].shape == (None, VARIANTS[name].latent)


@pytest.mark.parametrize("name", ALL)
def test_outputs_equal_a_hand_written_pytorch_module(name, digits):
    model = randomised(name)
    codes, images = as_list(model.encoder.predict_on_batch(digits)), model.predict_on_batch(digits)
    with torch.no_grad():
        their_codes, their_images = with_weights_of(model)(torch.from_numpy(digits.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(codes[0], their_codes[0], atol=1e-5)
    np.testing.assert_allclose(images.transpose(0, 3, 1, 2), their_images, atol=1e-5)
    if VARIANTS[name].variational:
        np.testing.assert_allclose(codes.pop(), their_codes.pop(), atol=1e-5)
    for switch, theirs in zip(codes[1:], their_codes[1:], strict=True):
        assert switch.dtype == np.uint8
        np.testing.assert_array_equal(switch.transpose(0, 3, 1, 2), theirs)


@pytest.mark.parametrize("name", ALL)
def test_decoder_after_encoder_is_the_autoencoder(name, digits):
    model = randomised(name)
    codes = model.encoder.predict_on_batch(digits)
    composed = model.decoder.predict_on_batch(codes[0] if VARIANTS[name].variational else codes)
    np.testing.assert_allclose(composed, model.predict_on_batch(digits), atol=1e-6)
    if name in ("mlp", "conv-k16"):  # their last activation bounds them
        assert composed.min() >= 0


def test_every_reference_is_covered():
    assert set(REFERENCE) == set(MODULES) == set(VARIANTS)


def test_first_maximum_wins_a_tie_and_unpooling_puts_it_there():
    image = np.zeros((2, 28, 28, 1), "float32")  # constant: every window is a tie
    code, switch_a, switch_b = build("conv-unpool").encoder.predict_on_batch(image)
    assert switch_a[:, 1:-1, 1:-1].max() == 0, "away from the border all four values are equal"
    assert code.shape == (2, 64)
    assert switch_b.shape == (2, 7, 7, 32)


@pytest.mark.parametrize("name", quick_elsewhere(ALL, "conv-unpool", "vae-conv", "conv-best"))
def test_saved_model_reopens_as_ours(name, digits, tmp_path):
    model = randomised(name)
    model.save(tmp_path / "model.keras")
    reopened = load(tmp_path / "model.keras")
    assert reopened.variant == VARIANTS[name]
    np.testing.assert_array_equal(reopened.predict_on_batch(digits), model.predict_on_batch(digits))


STOCK = """
import json, sys, keras, numpy as np
folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{name}.keras", safe_mode=True)
    parts = model.get_layer("encoder"), model.get_layer("decoder")
    codes = parts[0].predict_on_batch(images)
    latent = codes[0] if isinstance(codes, list) else codes
    taken = codes if len(parts[1].inputs) > 1 else latent
    results = {"latent": latent, "images": model.predict_on_batch(images), "composed": parts[1].predict_on_batch(taken)}
    np.savez(f"{folder}/{name}-{keras.backend.backend()}.npz", **results)
print(json.dumps([name for name in sys.modules if name.startswith("keras_mnist_ae")]))
"""


@pytest.mark.slow
def test_saved_models_open_on_every_backend_with_keras_alone(digits, tmp_path, installed_backends):
    np.save(tmp_path / "images.npy", digits)
    models = {name: randomised(name) for name in ALL}
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
    others = [other for other in installed_backends if other != keras.backend.backend()]
    command = [sys.executable, "-c", STOCK, str(tmp_path), *ALL]
    for other in others:
        environment = {**os.environ, "KERAS_BACKEND": other}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == [], "the package was imported"
        for name, model in models.items():
            theirs = np.load(tmp_path / f"{name}-{other}.npz")
            np.testing.assert_allclose(
                theirs["latent"], as_list(model.encoder.predict_on_batch(digits))[0], atol=1e-5
            )
            np.testing.assert_allclose(theirs["images"], model.predict_on_batch(digits), atol=1e-5)
            np.testing.assert_allclose(theirs["composed"], model.predict_on_batch(digits), atol=1e-5)


def test_same_seed_same_weights_other_seed_others():
    first, again, other = (build("conv-avgpool", seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim > 1)


def test_weights_are_glorot_uniform():
    kernel = build("conv-k16").encoder.get_layer("conv3").get_weights()[0]  # 524,288 numbers
    limit = np.sqrt(6 / (16 * 16 * (32 + 64)))
    assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-4)
    assert kernel.var() == pytest.approx(limit**2 / 3, rel=0.01)


def test_codes_of_several_pixels_count_channels_first(digits):
    """Flatten and Unflatten keep the tables' order channels, height, width where Keras' own would
    not.
    """
    variant = Variant(
        "wide", "",
        Stack((1, 28, 28), ((Conv(1, 3, k=14, s=14), (3, 2, 2)), (Flatten(), (12,)))),
        Stack((12,), ((Unflatten(3, 2, 2), (3, 2, 2)), (ConvTranspose(3, 1, k=14, s=14), (1, 28, 28)))),
        2 * 3 * 196 + 4, Recipe(1, 1, 1.0),
    )  # fmt: skip
    model = build(variant)
    kernel = torch.from_numpy(np.array(model.encoder.get_layer("conv1").get_weights()[0])).permute(3, 2, 0, 1)
    back = torch.from_numpy(np.array(model.decoder.get_layer("convtranspose1").get_weights()[0])).permute(
        3, 2, 0, 1
    )
    code = torch.conv2d(torch.from_numpy(digits.transpose(0, 3, 1, 2)), kernel, stride=14)
    np.testing.assert_allclose(model.encoder.predict_on_batch(digits), code.flatten(1), atol=1e-5)
    expected = torch.conv_transpose2d(code, back, stride=14).permute(0, 2, 3, 1)
    np.testing.assert_allclose(model.predict_on_batch(digits), expected, atol=1e-5)


def in_forms(images):
    """What Keras takes for images of one channel."""
    return {
        "list": [images],
        "by name": {"image": images},
        "no channel": images[..., 0],
        "bytes": (images * 255).astype("uint8"),
    }


@pytest.mark.parametrize("form", ["list", "by name", "no channel", "bytes"])
def test_images_in_each_form_that_keras_takes(form, digits):
    model = build("mlp", seed=1)
    model.compile("sgd", loss="mse")
    given, expected = in_forms(digits[:40])[form], digits[:40]
    if form == "bytes":
        expected = given.astype("float32") / 255  # bytes are 0..255
    stock = model._stock()
    reconstructions = model.predict(given, batch_size=20, verbose=0)
    np.testing.assert_allclose(reconstructions, stock.predict(expected, batch_size=20, verbose=0), atol=1e-4)
    loss = model.evaluate(given, digits[:40], batch_size=20, verbose=0)
    assert loss == pytest.approx(float(np.square(reconstructions - digits[:40]).mean()), rel=1e-4)
    assert np.isfinite(model.fit(given, digits[:40], batch_size=20, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_images_of_another_size_are_refused_whenever_they_come(call, digits):
    model = build("conv-avgpool")
    model.compile("sgd", loss="mse")
    model.fit(digits[:20], digits[:20], verbose=0)
    images = np.zeros((20, 32, 32, 1), "float32")
    with pytest.raises(ValueError, match=r"conv-avgpool takes images of shape \(n, 28, 28, 1\), not"):
        getattr(model, call)(images, *([] if call == "predict" else [digits[:20]]), verbose=0)


@pytest.mark.parametrize("change", ["activation", "activity_regularizer"])
def test_changed_layer_counts(change, digits):
    """The rows would not know of it."""
    model = build("mlp", seed=1)
    layer = next(layer for layer in model.encoder.layers if hasattr(layer, "kernel"))
    setattr(
        layer,
        change,
        {"activation": keras.activations.tanh, "activity_regularizer": keras.regularizers.L2(1.0)}[change],
    )
    stock = model._stock()
    images = digits[:40]
    for each in (model, stock):
        each.compile("sgd", loss="mse")
    with pytest.warns(UserWarning, match="slower") if keras.backend.backend() == "torch" else nullcontext():
        loss = model.evaluate(images, images, verbose=0)
    assert loss == pytest.approx(stock.evaluate(images, images, verbose=0), rel=1e-4)
    np.testing.assert_allclose(model.predict(images, verbose=0), stock.predict(images, verbose=0), atol=1e-5)
