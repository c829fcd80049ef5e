"""Grey images drawn as black and white: with the right probability, the same for everyone, and where
asked for anew at each step.
"""

import numpy as np
import pytest

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.datasets.binarize import binarized
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.models.batches import Batches
from keras_mnist_ae.runs.config import configure
from keras_mnist_ae.runs.reopen import load_data

GREYS = np.array([0, 1, 64, 128, 254, 255], np.uint8)


def of_greys(count=600):
    return datasets.Dataset.from_arrays(np.broadcast_to(GREYS[:, None], (count, 6, 40)), labels=[0] * count)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_pixel_is_white_with_the_probability_of_its_grey(kind):
    found = binarized(of_greys(), kind).test.images
    assert set(np.unique(found)) == {0, 255}
    shares = (found == 255).mean(axis=(0, 2, 3))
    np.testing.assert_allclose(shares, GREYS / 255, atol=0.03)  # of 4,000 draws each: 0.008 at most
    assert shares[0] == 0
    assert shares[-1] == 1


def test_an_image_is_drawn_alike_whatever_is_beside_it():
    static = binarized(of_greys(), "static")
    dynamic = binarized(of_greys(), "dynamic")
    np.testing.assert_array_equal(static.test.images, dynamic.test.images)
    np.testing.assert_array_equal(dynamic.train.images, of_greys().train.images)
    whole = load_data(configure(dataset="digits", binarize="static"))
    part = load_data(configure(dataset="digits", binarize="static", limit=50))
    np.testing.assert_array_equal(whole.train.images[:50], part.train.images)
    assert not (static.train.images[0] == static.train.images[1]).all()
    assert static.sha256 == of_greys().sha256  # which names the source


def test_validation_images_stay_the_same_in_training():
    import dataclasses

    data = dataclasses.replace(of_greys(), validation=100)
    found = binarized(data, "dynamic").train.images
    assert set(np.unique(found[-100:])) == {0, 255}
    np.testing.assert_array_equal(found[:-100], data.train.images[:-100])


def test_training_images_are_drawn_anew_in_each_epoch_and_the_same_after_a_resume():
    images = of_greys().train.images[:64]
    chance = Chance(3, binarize=True)

    def epoch(number, skipped=0):
        batches = Batches(images, 16, seed=1, skipped=skipped, chance=chance)
        batches.start(number)
        return list(batches.get_numpy_iterator())

    first, second = epoch(0), epoch(1)
    for given, target in first + second:
        assert given is target
        assert set(np.unique(target)) == {0, 1}
    for (_, target), (_, again) in zip(first[2:], epoch(0, skipped=2), strict=True):
        np.testing.assert_array_equal(target, again)
    sums = [np.sort(np.concatenate([t for _, t in found]).sum(axis=(1, 2, 3))) for found in (first, second)]
    assert not np.array_equal(*sums)  # not the same draws in another order
    np.testing.assert_allclose(
        np.mean([target.mean(axis=(0, 2, 3)) for _, target in first], axis=0), GREYS / 255, atol=0.03
    )


@pytest.mark.slow("tensorflow", "jax")
@pytest.mark.backend
@pytest.mark.parametrize("kind", ["static", "dynamic"])
def test_a_training_measures_its_evidence_on_black_and_white_images(kind, tmp_path):
    run = kae.train(
        "vae-mlp", "digits", binarize=kind, epochs=1, limit=64, batch_size=32, seed=2, runs_dir=tmp_path
    )
    images = load_data(run.config).test.images / 255
    assert set(np.unique(images)) == {0, 1}
    outputs = run.model.encoder.predict(images.astype(np.float32), verbose=0)
    given = run.model.decoder.predict(outputs[0], verbose=0)
    likelihood = images * np.log(given) + (1 - images) * np.log1p(-given)
    found = kae.evaluate(run)["evidence"]["reconstruction"]
    # of one sampled code each, after two steps still close to that of the mean code
    assert found == pytest.approx(-likelihood.sum(axis=(1, 2, 3)).mean(), rel=0.05)
