"""What a run keeps of its codes: read the next time, never of other weights or other data."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import keras_mnist_ae as kae
from keras_mnist_ae.analysis import generation, latent
from keras_mnist_ae.analysis.codec import of_model
from keras_mnist_ae.datasets import load
from keras_mnist_ae.reporting import kept


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return kae.train("mlp", "digits", limit=200, epochs=1, runs_dir=folder, name="mine")


@pytest.fixture
def counted(monkeypatch):
    """How many times images were encoded and densities fitted."""
    done = []
    for module, name in ((latent, "encoded"), (generation, "fit_gaussians")):
        monkeypatch.setattr(module, name, noted(done, getattr(module, name)))
    return done


def noted(done, call):
    def called(*arguments):
        done.append(call.__name__)
        return call(*arguments)

    return called


def test_codes_and_mixture_are_computed_once(run, counted):
    data = load("digits")
    first = kae.generate(run, 9, seed=3)
    assert counted == ["encoded", "encoded", "fit_gaussians"]
    with np.load(run.generated) as stored:
        images = stored["images"]
    codes = of_model(run.model).encode(data.train.images[:200] / np.float32(255))[0]
    np.testing.assert_allclose(kept.codes(run, None, run.data or data)[0], codes, atol=1e-6)
    again = kae.generate(kae.Run(run.path), 9, seed=3)
    kae.analyse(kae.Run(run.path))
    assert counted == ["encoded", "encoded", "fit_gaussians"]
    assert again["nearest_rmse"] == first["nearest_rmse"]
    with np.load(run.generated) as stored:
        np.testing.assert_array_equal(stored["images"], images)


def test_a_mixture_that_was_kept_draws_as_scikit_learns_does():
    codes = np.random.default_rng(0).normal(size=(500, 3)) * [1, 2, 3]
    fitted = GaussianMixture(2, random_state=0).fit(codes)
    again = generation.gaussians(fitted.weights_, fitted.means_, fitted.covariances_)
    again.random_state = 0
    np.testing.assert_array_equal(again.sample(50)[0], fitted.sample(50)[0])


def test_other_weights_other_data_and_damage_are_computed_anew(run, counted, tmp_path, capsys):
    kae.generate(run, 2)
    del counted[:]
    kae.generate(run, 2, dataset=load("digits").train.images[:300])
    assert counted == ["encoded", "encoded", "fit_gaussians"]  # of other data, and not kept
    before = (run.path / kept.CODES).read_bytes()
    (run.path / kept.CODES).write_bytes(before[:-100])
    capsys.readouterr()
    kae.generate(kae.Run(run.path), 2)
    assert counted.count("encoded") == 4
    assert f"kae: {kept.CODES} is computed anew: " in capsys.readouterr().err
    assert (run.path / kept.CODES).read_bytes() == before
    run.resume(epochs=2)
    del counted[:]
    kae.generate(kae.Run(run.path), 2)
    assert counted == ["encoded", "encoded", "fit_gaussians"]
    assert (run.path / kept.CODES).read_bytes() != before
