"""Numbers against independent oracles."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error

from keras_mnist_ae import datasets, evaluation

GOLDEN_PCA = {8: (0.037865, 0.037441), 32: (0.017243, 0.016828), 64: (0.009284, 0.009047)}  # components: train, test MSE on MNIST


def test_squared_errors_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2500, 4, 5, 3), dtype=np.uint8)  # more than two chunks, the last one short
    noise = generator.normal(0, 0.1, images.shape)
    seen = []

    def reconstruct(chunk):
        start = sum(seen)
        seen.append(len(chunk))
        return chunk + noise[start : start + len(chunk)]

    errors = evaluation.squared_errors(images, reconstruct)
    flat = (images / 255).reshape(2500, -1)
    assert errors.shape == (2500,)
    assert errors[7] == pytest.approx(mean_squared_error(flat[7], flat[7] + noise[7].ravel()), abs=1e-7)
    assert errors.mean() == pytest.approx(np.square(noise).mean(), abs=1e-8)


def test_pca_is_that_of_scikit_learn():
    data = datasets.load("digits")
    train, test = (split.images.reshape(len(split.images), -1) / 255 for split in (data.train, data.test))
    theirs = PCA(16, svd_solver="full").fit(train)
    expected = np.square(theirs.inverse_transform(theirs.transform(test)) - test).mean()
    assert evaluation.pca_squared_errors(data.train.images, data.test.images, 16).mean() == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif("KAE_DATA_DIR" not in os.environ, reason="MNIST is not at hand (KAE_DATA_DIR)")
@pytest.mark.parametrize("components", GOLDEN_PCA)
def test_pca_on_mnist_gives_the_golden_values(components):
    data = datasets.load("mnist", Path(os.environ["KAE_DATA_DIR"]))
    for images, expected in zip((data.train.images, data.test.images), GOLDEN_PCA[components], strict=True):
        assert evaluation.pca_squared_errors(data.train.images, images, components).mean() == pytest.approx(expected, abs=1e-5)
