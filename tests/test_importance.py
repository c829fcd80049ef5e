"""The importance-weighted bound against the closed form of a linear model with Gaussian pixels, whose
evidence is a normal density: x = W z + b + noise.
"""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_mnist_ae import train
from keras_mnist_ae.analysis.elbo import evidence
from keras_mnist_ae.architecture import Dense, Flatten, Gaussian, Recipe, Stack, Unflatten, Variant
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models.build import build
from keras_mnist_ae.models.losses import log_ratio, negative_log_likelihood, sample, variational_loss

pytestmark = pytest.mark.backend

PIXELS, LATENT, VARIANCE = 16, 2, 0.01
GENERATOR = np.random.default_rng(4)
W = np.linalg.qr(GENERATOR.normal(size=(PIXELS, LATENT)))[0] * 0.4  # orthogonal: q can be exact
B = np.full(PIXELS, 0.5)
PRECISION = 1 + np.square(W).sum(axis=0) / VARIANCE  # of z given x
X = np.clip(
    GENERATOR.normal(size=(200, LATENT)) @ W.T + B + GENERATOR.normal(0, VARIANCE**0.5, (200, PIXELS)), 0, 1
)


def closed_form(x, variance):
    """-log p(x) of each image."""
    return -stats.multivariate_normal(B, W @ W.T + variance * np.eye(PIXELS)).logpdf(x)


def tensor(array):
    return keras.ops.convert_to_tensor(np.asarray(array, np.float32))


def bounds(samples, off=0.0, monkeypatch=None):
    """The loss of each image with so many codes, drawn from p(z | x) or from what is `off` it."""
    mean = (X - B) @ W / VARIANCE / PRECISION + off * PRECISION**-0.5
    log_variance = np.broadcast_to(-np.log(PRECISION) + off, mean.shape)
    noise = np.random.default_rng(samples).standard_normal((len(X), samples, LATENT))
    parts = tensor(mean), tensor(log_variance), tensor(noise)
    codes = sample(*parts)
    images = keras.ops.matmul(codes, tensor(W.T)) + tensor(B)

    def known(likelihood, targets, means):
        return negative_log_likelihood(likelihood, targets, means, VARIANCE)

    monkeypatch.setattr("keras_mnist_ae.models.losses.negative_log_likelihood", known)
    x, y = (keras.ops.reshape(each, (-1, 4, 4, 1)) for each in (tensor(X), images))
    ratio = log_ratio(parts[1], parts[2], codes)
    losses, _ = variational_loss("gaussian", x, y, None, tensor(np.ones(len(X))), ratio)
    return keras.ops.convert_to_numpy(losses)


@pytest.mark.parametrize("samples", [1, 5])
def test_codes_of_the_true_posterior_give_the_evidence_itself(samples, monkeypatch):
    """p(x | z) p(z) / p(z | x) is p(x), whatever z is."""
    np.testing.assert_allclose(
        bounds(samples, 0.0, monkeypatch), closed_form(X, VARIANCE), rtol=1e-4, atol=1e-3
    )


def test_more_codes_of_another_distribution_come_closer(monkeypatch):
    truth = closed_form(X, VARIANCE).mean()
    one = bounds(1, 0.5, monkeypatch)
    found = [one.mean(), *(bounds(samples, 0.5, monkeypatch).mean() for samples in (10, 1000))]
    assert found[0] > found[1] > found[2]
    # KL of N(off * s, s^2 exp(off)) to N(0, s^2), for each number of the code
    gap = LATENT * 0.5 * (np.exp(0.5) + 0.25 - 1 - 0.5)
    apart = one - closed_form(X, VARIANCE)
    assert apart.mean() == pytest.approx(gap, abs=4 * apart.std() / len(X) ** 0.5)
    assert found[2] - truth == pytest.approx(0, abs=0.01)


def test_evaluation_of_a_model_comes_to_the_closed_form():
    encoder = Stack.of((1, 4, 4), Flatten(), Gaussian(PIXELS, LATENT))
    decoder = Stack.of((LATENT,), Dense(LATENT, PIXELS), Unflatten(1, 4, 4))
    parameters = encoder.parameters + decoder.parameters
    model = build(Variant("linear", "closed form", encoder, decoder, parameters, Recipe(1, 8, 1e-3)))
    to_mean = W / VARIANCE / PRECISION
    for layer in (*model.encoder.layers, *model.decoder.layers):
        if layer.name.endswith("log_variance"):
            layer.set_weights([np.zeros((PIXELS, LATENT)), -np.log(PRECISION)])
        elif layer.weights and layer in model.encoder.layers:
            layer.set_weights([to_mean, -B @ to_mean])
        elif layer.weights:
            layer.set_weights([W.T, B])
    images = np.round(X * 255).astype(np.uint8).reshape(-1, 4, 4, 1)
    found = evidence(model, images, "gaussian", 1000, seed=1)
    pixels = images.reshape(-1, PIXELS) / 255
    truth = closed_form(pixels, found["variance"]).mean()
    assert found["variance"] == pytest.approx(VARIANCE, rel=0.2)
    assert found["negative_log_likelihood"] == pytest.approx(truth, abs=0.02)
    assert found["negative_elbo"] == pytest.approx(truth, abs=0.6)  # of one code each: 3 deviations


@pytest.mark.slow("tensorflow", "jax")
def test_a_training_tells_bound_and_elbo_and_goes_into_its_run(tmp_path, capfd):
    settings = {"dataset": "digits", "limit": 64, "batch_size": 32, "epochs": 1, "learning_rate": 1e-12}
    found = {
        k: train("vae-mlp", importance=k, **settings, runs_dir=tmp_path, name=f"k{k}").history for k in (1, 8)
    }
    assert "bound" in capfd.readouterr().err
    for prefix in ("", "val_"):
        elbo = {k: each[f"{prefix}reconstruction"][0] + each[f"{prefix}kl"][0] for k, each in found.items()}
        assert found[1][f"{prefix}loss"][0] == pytest.approx(elbo[1], rel=1e-5)
        assert found[8][f"{prefix}loss"][0] < elbo[8]
        assert elbo[8] == pytest.approx(elbo[1], rel=0.02)


@pytest.mark.parametrize("value", [0, 1001, 1.5])
def test_numbers_of_codes_that_are_none(value):
    with pytest.raises(UsageError, match="importance is"):
        train("vae-mlp", importance=value)


def test_importance_is_for_variational_variants():
    with pytest.raises(UsageError, match="importance is for variational variants"):
        train("mlp", importance=5)
