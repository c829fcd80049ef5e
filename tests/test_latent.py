"""The analysis of codes against independent oracles, and what is left out when it cannot be done."""

import dataclasses
import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from keras_mnist_ae import build, datasets
from keras_mnist_ae.analysis import latent, neighbours, pca, probes, projection
from keras_mnist_ae.analysis.codec import of_model
from keras_mnist_ae.datasets import Split
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import MissingDependencyError, ValidationError

DATA = datasets.load("digits")


@pytest.fixture(scope="module")
def pixels():
    """Training and test pixels as codes."""
    return [to_float(split.images).reshape(len(split.images), -1) for split in (DATA.train, DATA.test)]


def analysed(data, train, test):
    linear = pca.fit(data.train.images, train.shape[1])
    return latent.analyse(
        data, train, test, *(linear.encode(to_float(split.images)) for split in (data.train, data.test))
    )


def part(count, keep=None):
    """The digits with few training images, of some classes only."""
    chosen = np.flatnonzero(np.isin(DATA.train.labels, keep or range(10)))[:count]
    return dataclasses.replace(DATA, train=Split(DATA.train.images[chosen], DATA.train.labels[chosen]))


def test_neighbours_are_those_of_plain_distances(pixels):
    train, test = pixels
    distances = np.linalg.norm(test[:, None] - train[None], axis=2)
    order = np.argsort(distances, axis=1)[:, : neighbours.NEIGHBOURS]
    found, indices = neighbours.nearest(train, test[:20], neighbours.NEIGHBOURS)
    np.testing.assert_array_equal(indices, order[:20])
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:20, : neighbours.NEIGHBOURS], atol=1e-5)
    votes = np.array([np.bincount(DATA.train.labels[row], minlength=10).argmax() for row in order])
    assert probes.knn_accuracy(train, DATA.train.labels, test, DATA.test.labels) == pytest.approx(
        (votes == DATA.test.labels).mean(), abs=1e-6
    )


def test_logistic_regression_is_that_of_standardised_features(pixels):
    lively = pixels[0].std(axis=0) > 0.1
    train, test = (array[:, lively].astype(np.float64) for array in pixels)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    with probes.quietly():
        theirs = LogisticRegression().fit((train - mean) / deviation, DATA.train.labels)
    expected = theirs.score((test - mean) / deviation, DATA.test.labels)
    assert probes.logistic_accuracy(train, DATA.train.labels, test, DATA.test.labels) == pytest.approx(
        expected, abs=1e-6
    )


def test_matching_is_the_best_of_all():
    generator = np.random.default_rng(0)
    labels, assigned = generator.integers(0, 4, 60), generator.integers(0, 4, 60)
    best = max(np.mean(np.array(order)[assigned] == labels) for order in permutations(range(4)))
    assert probes.matched_accuracy(assigned, labels) == pytest.approx(best)


def test_clusters_far_apart_are_found():
    points, labels = make_blobs(300, 5, centers=np.eye(5)[:3] * 50, random_state=0)
    found = probes.kmeans_scores(points, points, labels, 3)
    assert max(found["accuracy"]["seeds"]) == 1
    assert len(found["ari"]["seeds"]) == 10
    assert found["nmi"]["mean"] == pytest.approx(np.mean(found["nmi"]["seeds"]))


def test_dimensions_in_use():
    generator = np.random.default_rng(0)
    codes = generator.normal(size=(20_000, 6)) * [1, 1, 1, 0, 0, 1e-5]
    found = latent.dimensions(codes)
    assert found["participation_ratio"] == pytest.approx(3, abs=0.01)
    assert found["dead_units"] == 3
    assert latent.dimensions(codes[:, :1])["participation_ratio"] == pytest.approx(1)


def test_codes_that_are_all_the_same_are_told():
    with pytest.raises(ValidationError, match="every image has the same code"):
        latent.dimensions(np.full((50, 4), 0.3, np.float32))


def test_analysis_of_a_model_holds_every_part():
    codec = of_model(build("mlp"))
    found = analysed(DATA, *(latent.encoded(split.images, codec) for split in (DATA.train, DATA.test)))
    assert (found["n_train"], found["n_test"], found["latent"], found["skipped"]) == (1437, 360, 32, {})
    for probe in ("knn", "logistic"):
        assert set(found[probe]) == {"codes", "pixels", "pca"}
        assert all(0.8 < accuracy <= 1 for accuracy in found[probe].values())
    assert found["kmeans"]["clusters"] == 10
    assert found["nearest"][0]["class"] == DATA.classes[DATA.test.labels[0]]
    assert len(found["nearest"][0]["train"]) == 5


def test_what_cannot_be_done_is_left_out_with_its_reason(pixels):
    few = part(4)
    found = analysed(few, pixels[0][:4], pixels[1])
    assert found["skipped"] == {
        "knn": "4 training images are fewer than 5 neighbours",
        "kmeans": "4 training images are fewer than 10 clusters",
    }
    assert "logistic" in found
    one = part(30, keep=[3])
    found = analysed(one, to_float(one.train.images).reshape(30, -1), pixels[1])
    assert set(found["skipped"].values()) == {"the training images are all of one class (30 images)"}
    plain = dataclasses.replace(
        DATA, train=Split(DATA.train.images, None), test=Split(DATA.test.images, None)
    )
    found = analysed(plain, *pixels)
    assert set(found["skipped"]) == {"knn", "logistic", "kmeans"}
    assert set(found["skipped"].values()) == {"digits has no labels"}
    assert found["nearest"][0]["classes"] == [None] * 5


def test_maps(pixels):
    train, test = (array[:, 300:310] for array in pixels)
    points = projection.plane(train, test, "pca")
    centred = train - train.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    expected = (test - train.mean(axis=0)) @ vectors[:, :-3:-1]
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-4)
    assert projection.plane(train[:, :1], test[:, :1], "pca")[:, 1].tolist() == [0] * 360
    told = []
    assert projection.plane(train, test[:60], "tsne", told.append).shape == (60, 2)
    assert "map: t-SNE, iteration 250 of 1000" in told


def test_map_by_umap_names_the_package_where_it_is_missing(pixels, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingDependencyError, match="pip install umap-learn"):
        projection.plane(*pixels, "umap")


@pytest.mark.skipif("KAE_DATA_DIR" not in os.environ, reason="MNIST is not at hand (KAE_DATA_DIR)")
@pytest.mark.slow
def test_five_neighbours_on_the_pixels_of_mnist():
    data = datasets.load("mnist", Path(os.environ["KAE_DATA_DIR"]))
    train, test = (to_float(split.images).reshape(len(split.images), -1) for split in (data.train, data.test))
    assert probes.knn_accuracy(train, data.train.labels, test, data.test.labels) == pytest.approx(
        0.9688, abs=5e-5
    )


def test_units_in_use_are_counted_as_burda_counts_them():
    """A number of which the mean hardly varies is not in use, whatever its level."""
    generator = np.random.default_rng(0)
    deviations = np.array([1.0, 0.2, 0.05, 0.0])  # variances 1, 0.04, 0.0025, 0
    means = 3 + deviations * generator.standard_normal((4000, 4))
    assert latent.active_units(means) == 2
    assert latent.inactive(means) is None
    assert "none of the 2 numbers" in latent.inactive(means[:, 2:])
