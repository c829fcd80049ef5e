"""New images and paths between codes: against formulas, and with the pooling switches of images
that are there.
"""

import numpy as np
import pytest

from keras_mnist_ae import build, datasets
from keras_mnist_ae.analysis import generation
from keras_mnist_ae.analysis.codec import of_model
from keras_mnist_ae.analysis.latent import encoded
from keras_mnist_ae.datasets.images import to_float

DATA = datasets.load("digits")


@pytest.fixture(scope="module", params=["mlp", "conv-unpool"])
def codec(request):
    return of_model(build(request.param))


def test_gaussian_has_the_mean_and_covariance_of_the_codes():
    generator = np.random.default_rng(0)
    codes = (
        generator.normal(size=(3000, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0, 0.5]]) + [5, 0, -1]
    ).astype(np.float32)
    images = DATA.train.images[:10]
    identity = generation.Codec(
        lambda images: [codes[: len(images)]], lambda parts: np.zeros((len(parts[0]), 28, 28, 1), np.float32)
    )
    made = generation.generate(identity, images, codes, 20_000, "gaussian")
    np.testing.assert_allclose(made.codes.mean(axis=0), codes.mean(axis=0), atol=0.06)
    np.testing.assert_allclose(np.cov(made.codes.T), np.cov(codes.T), atol=0.12)
    assert made.components == 1


def test_mixture_finds_groups_that_a_gaussian_does_not():
    generator = np.random.default_rng(0)
    codes = np.concatenate(
        [generator.normal(-10, 0.1, (400, 2)), generator.normal(10, 0.1, (400, 2))]
    ).astype(np.float32)
    identity = generation.Codec(
        lambda images: [codes[: len(images)]], lambda parts: np.zeros((len(parts[0]), 28, 28, 1), np.float32)
    )
    made = generation.generate(identity, DATA.train.images[:10], codes, 200)
    assert made.components == 20
    assert (np.abs(np.abs(made.codes) - 10) < 1).all()
    assert 50 < (made.codes[:, 0] > 0).sum() < 150
    assert (made.codes[:100, 0] > 0).any(), "not component by component"


def test_generated_images_are_decoded_from_their_codes_with_borrowed_switches(codec):
    codes = encoded(DATA.train.images[:200], codec)
    made = generation.generate(codec, DATA.train.images[:200], codes, 12, seed=4)
    assert made.images.shape == (12, 28, 28, 1)
    distances = np.linalg.norm(codes[None] - made.codes[:, None], axis=2)
    lenders = to_float(DATA.train.images[distances.argmin(axis=1)])
    np.testing.assert_allclose(made.images, codec.decode([made.codes, *codec.encode(lenders)[1:]]), atol=1e-6)
    again = generation.generate(codec, DATA.train.images[:200], codes, 12, seed=4)
    np.testing.assert_array_equal(again.images, made.images)
    other = generation.generate(codec, DATA.train.images[:200], codes, 12, seed=5)
    assert not np.array_equal(other.codes, made.codes)


def test_copies_show():
    images = to_float(DATA.train.images[[7, 3]]) + np.array([0, 0.1], np.float32).reshape(2, 1, 1, 1)
    distances, indices = generation.nearest_images(DATA.train.images, images)
    assert indices.tolist() == [7, 3]
    np.testing.assert_allclose(distances, [0, 0.1], atol=1e-4)


def test_paths():
    start, end = np.array([3.0, 0, 0]), np.array([0.0, 5, 0])
    path = generation.spherical(start, end, 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), [3, 3.5, 4, 4.5, 5], rtol=1e-6)
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(angles, [0, 22.5, 45, 67.5, 90], atol=1e-4)
    np.testing.assert_allclose(generation.linear(start, end, 3), [[3, 0, 0], [1.5, 2.5, 0], [0, 5, 0]])
    for other in (2 * start, -start, 0 * start):
        np.testing.assert_allclose(
            generation.spherical(start, other, 4), generation.linear(start, other, 4), atol=1e-6
        )


def test_interpolation_goes_from_one_reconstruction_to_the_other(codec):
    first, second = to_float(DATA.test.images[[0, 1]])
    found = generation.interpolate(codec, first, second, 6)
    ends = codec.reconstruct(np.stack([first, second]))
    for way in ("linear", "spherical"):
        np.testing.assert_allclose(found[way][[0, -1]], ends, atol=1e-5)
    np.testing.assert_allclose(found["cross-fade"][1], 0.8 * first + 0.2 * second, atol=1e-6)
    assert {path.shape for path in found.values()} == {(6, 28, 28, 1)}
