"""Clusters among codes against scikit-learn itself, and what is said where labels are missing."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score
from sklearn.mixture import GaussianMixture

from keras_mnist_ae import datasets
from keras_mnist_ae.analysis import clusters
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import MissingDependencyError, UsageError
from keras_mnist_ae.reporting import html

DATA = datasets.load("digits")
METHODS = ("kmeans", "mixture")


@pytest.fixture(scope="module")
def run(finished_runs):
    return finished_runs("mlp")


@pytest.fixture
def umap(monkeypatch):
    """A package umap whose UMAP is a PCA, so that the mixture behind it can be held against
    scikit-learn's.
    """

    class Places:
        def __init__(self, n_components, n_neighbors, min_dist, random_state):
            assert (n_neighbors, min_dist) == (20, 0)
            self.pca = PCA(n_components)

        def fit(self, points):
            self.embedding_ = self.pca.fit(points).transform(points)
            return self

        def transform(self, points):
            return self.pca.transform(points)

    module = ModuleType("umap")
    module.__spec__ = sys.__spec__
    module.UMAP = Places
    monkeypatch.setitem(sys.modules, "umap", module)


def theirs(method, train, test, seed):
    if method == "kmeans":
        return KMeans(10, n_init=1, random_state=seed).fit(train).predict(test)
    floor = 1e-6 * train.astype(np.float64).var(axis=0).mean()
    fitted = GaussianMixture(10, reg_covar=floor, random_state=seed).fit(train.astype(np.float64))
    return fitted.predict(test.astype(np.float64))


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_scikit_learns(copied_run, method):
    run = copied_run("mlp")
    result = run.cluster(methods=[method], seeds=2)
    codes = [run.model.encoder.predict(split.images / 255, verbose=0) for split in (DATA.train, DATA.test)]
    codes[0] = codes[0][: result["n_train"]]
    limited = to_float(DATA.train.images[: result["n_train"]]).reshape(result["n_train"], -1)
    pixels = [limited, to_float(DATA.test.images).reshape(len(DATA.test.images), -1)]
    spaces = {"codes": codes} | ({"pixels": pixels} if method == "kmeans" else {})
    for space, points in spaces.items():
        for seed in range(2):
            assigned = theirs(method, *points, seed)
            counts = confusion_matrix(DATA.test.labels, assigned)
            found = {name: result["methods"][method][space][name]["seeds"][seed] for name in clusters.SCORES}
            accuracy = counts[linear_sum_assignment(-counts)].sum() / len(assigned)
            assert found["accuracy"] == pytest.approx(accuracy, abs=1e-9)
            nmi = normalized_mutual_info_score(DATA.test.labels, assigned)
            assert found["nmi"] == pytest.approx(nmi, abs=1e-9)
            ari = adjusted_rand_score(DATA.test.labels, assigned)
            assert found["ari"] == pytest.approx(ari, abs=1e-9)
    assert run.metrics["clusters"]["methods"] == result["methods"]
    assert ("mixture on pixels" in result["skipped"]) == (method == "mixture")
    assert sum(each["size"] for each in result["sizes"]) == len(DATA.test.images)
    assert run.figure("clusters").is_file()


def test_umap_and_mixture_are_a_mixture_where_umap_has_moved_the_points(umap):
    points, labels = make_blobs(400, 12, centers=4, random_state=0)
    found = clusters.umap_mixture(points[:300], points[300:], 4, 0)
    moved = PCA(4).fit(points[:300])
    embedded = moved.transform(points[:300])
    floor = 1e-6 * embedded.var(axis=0).mean()
    mixture = GaussianMixture(4, reg_covar=floor, random_state=0).fit(embedded)
    np.testing.assert_array_equal(found.assigned, mixture.predict(moved.transform(points[300:])))
    assert adjusted_rand_score(labels[300:], found.assigned) == pytest.approx(1)


def test_clusters_are_told_by_size_class_and_the_images_nearest_to_their_mean():
    points = np.array([[0.0], [1], [2.1], [10], [11]])
    one = clusters.Clustering(np.array([1, 1, 1, 0, 0]), points)
    first, second = clusters.sizes(one, np.array([0, 0, 1, 1, 1]), ("a", "b"))
    assert first == {"cluster": 1, "size": 3, "class": "a", "share": 2 / 3, "images": [1, 0, 2]}
    assert (second["size"], second["class"], second["share"]) == (2, "b", 1.0)
    assert clusters.sizes(one, None, ())[0]["class"] is None


def test_agreement_is_that_of_pairs_of_seeds():
    def of(*assigned):
        return clusters.Clustering(np.array(assigned), np.zeros((len(assigned), 1)))

    same, other = of(0, 0, 1, 1), of(0, 1, 0, 1)
    assert clusters.agreement([same, of(1, 1, 0, 0)]) == 1
    expected = np.mean([1, *[adjusted_rand_score(same.assigned, other.assigned)] * 2])
    assert clusters.agreement([same, same, other]) == pytest.approx(expected)
    assert clusters.agreement([same]) is None


def test_without_labels_the_number_has_to_be_given_and_sizes_are_shown(copied_run):
    run = copied_run("mlp")
    plain = datasets.Dataset.from_arrays(DATA.train.images[:80], DATA.test.images[:60], name="plain")
    with pytest.raises(UsageError, match="plain has no labels: .*clusters"):
        run.cluster(dataset=plain)
    result = run.cluster(3, methods=["kmeans"], seeds=2, dataset=plain)
    assert result["methods"]["kmeans"]["codes"]["accuracy"] is None
    assert "no labels" in str(result)
    assert "accuracy" not in str(result).split("clusters", 2)[2]
    assert sum(each["size"] for each in result["sizes"]) == 60
    assert run.metrics["plain: clusters"]["clusters"] == 3
    with pytest.raises(UsageError, match="61 clusters cannot be found: give from 2 to 60"):
        run.cluster(61, dataset=plain)


def test_what_is_not_installed_is_left_out_or_refused_where_it_was_asked_for(copied_run, monkeypatch):
    monkeypatch.setattr(clusters, "missing", lambda method: method.name == "umap")
    monkeypatch.setitem(sys.modules, "umap", None)
    run = copied_run("mlp")
    assert "pip install umap-learn" in run.cluster(2, seeds=1)["skipped"]["umap"]
    with pytest.raises(MissingDependencyError, match="pip install umap-learn"):
        run.cluster(2, methods=["umap"])
    with pytest.raises(UsageError, match="no method 'kmean'"):
        run.cluster(methods=["kmean"])


def test_the_command_prints_and_the_report_shows_the_table(copied_run):
    run = copied_run("mlp")
    run.evaluate()
    done = CliRunner().invoke(kae, ["cluster", str(run.path), "--method", "kmeans", "--seeds", "1", "--json"])
    assert done.exit_code == 0, done.output
    numbers = json.loads(done.stdout)
    accuracy = numbers["methods"]["kmeans"]["codes"]["accuracy"]["mean"]
    again = type(run)(run.path)
    html.write(again, "no codes")
    page = again.report_file.read_text("utf-8")
    assert f"{accuracy:.4f} ± 0.0000" in page
    assert 'alt="Clusters.' in page
