"""The bias of the row that gives the image starts at the mean of bright images."""

import numpy as np
import pytest

from keras_mnist_ae import build
from keras_mnist_ae.training.last_bias import start_bias

CASES = [
    *((name, (1, 28, 28)) for name in ("conv-avgpool", "conv-k15", "conv-k16", "conv-unpool", "mlp")),
    ("vae-mlp", (1, 28, 28)),
    ("conv", (3, 20, 17)),
]


def pictures(image, low, high):
    """24 images whose channels differ in brightness, uint8 of shape (n, H, W, C)."""
    channels, height, width = image
    drawn = np.random.default_rng(0).integers(low, high, (24, height, width, channels))
    return (drawn - 10 * np.arange(channels)).astype(np.uint8)


@pytest.mark.parametrize(("name", "image"), CASES, ids=str)
def test_decoder_without_weights_gives_the_mean_of_bright_images(name, image):
    model = build(name, image=image)
    for weight in model.decoder.trainable_weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    images = pictures(image, 150, 250)
    assert start_bias(model, images)
    inputs = [np.zeros((1, *shape[1:]), np.float32) for shape in _shapes(model.decoder)]
    given = np.asarray(model.decoder.predict_on_batch(inputs if len(inputs) > 1 else inputs[0]))[0]
    expected = images.mean(0) / 255
    if "mlp" not in name:  # a bias for each channel, not for each pixel
        expected = np.broadcast_to(expected.mean((0, 1)), expected.shape)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def _shapes(decoder):
    return [each.shape for each in decoder.inputs]


def test_light_on_dark_starts_as_the_references_do():
    """Mostly black, as MNIST: its mean is nearer to 0 than its pixels are to their mean."""
    model = build("conv-avgpool")
    images = pictures((1, 28, 28), 100, 250)
    images[:, 4:] = 0
    before = model.get_weights()
    assert not start_bias(model, images)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
