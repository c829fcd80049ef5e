"""Quality of generated images: against formulas of others on the same features."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from keras_mnist_ae import datasets
from keras_mnist_ae.analysis import quality
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models import classifier
from keras_mnist_ae.reporting import html

DATA = datasets.load("digits")


@pytest.fixture(scope="module", params=[0, 1])
def features(request):
    """Two sets of features, of more points than are compared at once."""
    generator = np.random.default_rng(request.param)
    mixing = generator.normal(size=(12, 12))
    real = np.maximum(generator.normal(size=(1500, 12)) @ mixing, -1)
    made = generator.normal(0.2, 0.8, size=(1300, 12)) @ mixing
    return real, made


def test_fid_is_that_of_the_matrix_root(features):
    real, made = features
    first, second = (np.cov(points.T) for points in features)
    root = sqrtm(first @ second)
    expected = np.square(real.mean(0) - made.mean(0)).sum() + np.trace(first + second - 2 * np.real(root))
    assert quality.fid(real, made) == pytest.approx(expected, rel=1e-6)
    assert quality.fid(real, real) == pytest.approx(0, abs=1e-6)


def test_kid_is_the_unbiased_estimate_under_the_cubic_kernel(features):
    real, made = features

    def within(points):
        kernel = polynomial_kernel(points, degree=3, coef0=1)  # gamma is 1 / d
        return (kernel.sum() - np.trace(kernel)) / (len(points) * (len(points) - 1))

    expected = within(real) + within(made) - 2 * polynomial_kernel(real, made, degree=3, coef0=1).mean()
    assert quality.kid(real, made) == pytest.approx(expected, rel=1e-6)


def test_precision_and_recall_are_those_of_nearest_neighbours(features):
    def covered(points, among):
        """As the paper's code has it: within a neighbour's radius, the point itself not counted."""
        radii = NearestNeighbors(n_neighbors=4).fit(among).kneighbors(among)[0][:, 3]
        distances = np.linalg.norm(points[:, None] - among[None], axis=2)
        return (distances <= radii).any(axis=1).mean()

    real, made = features
    expected = covered(made, real), covered(real, made)
    assert quality.precision_recall(real, made) == pytest.approx(expected, abs=1e-6)
    assert 0.1 < expected[1] < 1


def test_the_classifier_learns_the_digits_and_is_the_same_again(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 40)
    train = DATA.train
    judge = classifier.fit(train.images, train.labels, 10)
    assert judge.accuracy(DATA.test.images, DATA.test.labels) > 0.75
    assert classifier.fit(train.images, train.labels, 10).sha256 == judge.sha256
    as_float = judge.of(DATA.test.images[:20].astype(np.float32) / 255)
    np.testing.assert_allclose(judge.of(DATA.test.images[:20]), as_float, atol=1e-5)


def test_a_run_is_measured_beside_its_floor(copied_run, monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 40)
    run = copied_run("mlp")
    run.evaluate()
    result = run.generate(4, quality=True, dataset=DATA)
    found = run.metrics["quality"]
    assert found == result["quality"]
    assert found["samples"] == len(DATA.test.images)
    assert found["fid"] > 3 * found["floor"]["fid"] > 0, "an epoch on 64 digits makes no digits"
    assert found["classifier"]["sha256"][:12] in str(result)
    html.write(run, "no codes")
    assert found["classifier"]["sha256"][:12] in run.report_file.read_text("utf-8")
    done = CliRunner().invoke(kae, ["generate", str(run.path), "--quality"])
    assert (done.exit_code, "64 images are too few" in done.stderr) == (2, True)


def test_without_labels_there_is_no_classifier(copied_run):
    run = copied_run("mlp")
    plain = datasets.Dataset.from_arrays(DATA.train.images[:80], DATA.test.images[:70], name="plain")
    with pytest.raises(UsageError, match="plain has no labels of several classes"):
        run.generate(2, quality=True, dataset=plain)
