"""Variational autoencoders: the terms of the bound against estimates of another kind, and the same
numbers on every backend.
"""

import math

import keras
import numpy as np
import pytest
import torch
from scipy import stats

from keras_mnist_ae import build, datasets
from keras_mnist_ae.analysis.elbo import evidence
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.bench.plain import Plain
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.export import weights
from keras_mnist_ae.models.batches import Batches
from keras_mnist_ae.models.losses import divergence, negative_log_likelihood, sample

pytestmark = pytest.mark.backend


GENERATOR = np.random.default_rng(5)
MEAN, LOG_VARIANCE = GENERATOR.normal(0, 1, (3, 4)), GENERATOR.normal(0, 1, (3, 4))


def of(function, *arrays):
    """What a function of tensors gives, as an array."""
    tensors = [
        keras.ops.convert_to_tensor(array, "float32") if isinstance(array, np.ndarray) else array
        for array in arrays
    ]
    return np.array(keras.ops.convert_to_numpy(function(*tensors)))


def test_divergence_is_what_a_monte_carlo_estimate_approaches():
    deviation = np.exp(LOG_VARIANCE / 2)
    codes = MEAN + deviation * GENERATOR.standard_normal((200_000, 3, 4))
    estimate = (stats.norm.logpdf(codes, MEAN, deviation) - stats.norm.logpdf(codes)).sum(axis=-1)
    error = estimate.std(axis=0) / math.sqrt(len(codes))
    found = of(divergence, MEAN, LOG_VARIANCE)
    assert (np.abs(found - estimate.mean(axis=0)) < 5 * error).all()


def test_samples_have_the_mean_and_variance_asked_for():
    noise = GENERATOR.standard_normal((100_000, 4)).astype("float32")
    codes = of(sample, *(np.broadcast_to(array[0], noise.shape) for array in (MEAN, LOG_VARIANCE)), noise)
    np.testing.assert_allclose(codes.mean(axis=0), MEAN[0], atol=0.03)
    np.testing.assert_allclose(np.log(codes.var(axis=0)), LOG_VARIANCE[0], atol=0.03)


def test_likelihoods_are_scipys(digits):
    images, means = digits[:5], np.clip(digits[5:10], 0.01, 0.99)
    # of a pixel between 0 and 1: the mean of the two outcomes, weighted by it
    outcomes = images * stats.bernoulli.logpmf(1, means) + (1 - images) * stats.bernoulli.logpmf(0, means)
    deviation = math.sqrt(np.square(images - means).mean())
    expected = {
        "bernoulli": -outcomes.sum(axis=(1, 2, 3)),
        "gaussian": -stats.norm.logpdf(images, means, deviation).sum(axis=(1, 2, 3)),
    }
    for likelihood, value in expected.items():
        np.testing.assert_allclose(of(negative_log_likelihood, likelihood, images, means), value, rtol=1e-4)


@pytest.mark.parametrize(("name", "importance"), [("vae-conv", 1), ("vae-mlp", 1), ("vae-mlp", 3)])
def test_training_is_that_of_a_plain_loop(name, importance):
    """Three steps of gradient descent, on the noise that the batches bring: the same on every
    backend.
    """
    images = datasets.load("digits").train.images[:24]
    chance = Chance(3, latent=VARIANTS[name].latent, beta=0.5, warm_up=2, importance=importance)
    model, module = build(name, seed=1), Plain(VARIANTS[name]).train()
    module.load(weights.read(model))
    model.compile(optimizer=keras.optimizers.SGD(1e-5), loss="mse")
    logs = model.fit(Batches(images, 8, seed=0, chance=chance), verbose=0).history
    optimizer = torch.optim.SGD(module.parameters(), 1e-5)
    terms, losses = [], []
    for (given, noise, weight), target in Batches(images, 8, seed=0, chance=chance).get_numpy_iterator():
        x, noise, y = (
            torch.from_numpy(given).permute(0, 3, 1, 2),
            torch.from_numpy(noise),
            torch.from_numpy(target).permute(0, 3, 1, 2),
        )
        assert weight[0] == [0.25, 0.5, 0.5][len(terms)]
        hidden = {}
        hook = module.encoder["gaussian1"].register_forward_pre_hook(
            lambda _, inputs, into=hidden: into.update(x=inputs[0])
        )
        encoder, decoder = (lambda z, part=part: run(module, part, z) for part in ("encoder", "decoder"))
        mean = encoder(x)
        hook.remove()
        log_variance = module.encoder["gaussian1_log_variance"](hidden["x"])
        several = noise.unbind(1) if importance > 1 else [noise]
        codes = [mean + (log_variance / 2).exp() * each for each in several]
        unlikely = torch.stack([cross_entropy(decoder(code), y) for code in codes])
        kl = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
        given_image = torch.distributions.Normal(mean, (log_variance / 2).exp())
        prior = torch.distributions.Normal(0, 1)
        ratios = torch.stack([(prior.log_prob(code) - given_image.log_prob(code)).sum(1) for code in codes])
        weight = torch.from_numpy(weight)
        loss = unlikely[0] + weight * kl
        if importance > 1:
            loss = math.log(importance) - torch.logsumexp(-unlikely + weight * ratios, 0)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
        terms.append((unlikely.mean().item(), kl.mean().item()))
        losses.append(loss.mean().item())
    np.testing.assert_allclose(logs["loss"][0], np.mean(losses), rtol=1e-4)
    np.testing.assert_allclose([logs["reconstruction"][0], logs["kl"][0]], np.mean(terms, axis=0), rtol=1e-3)
    theirs, ours = module.state_dict(), weights.read(model)
    for key in (
        "encoder.gaussian1.weight",
        "encoder.gaussian1_log_variance.weight",
        "encoder.gaussian1_log_variance.bias",
    ):
        part, layer, kind = key.split(".")
        np.testing.assert_allclose(ours[part][layer][kind], theirs[key], atol=2e-5)


def cross_entropy(y_pred, y):
    return torch.nn.functional.binary_cross_entropy(y_pred, y, reduction="none").sum((1, 2, 3))


def run(module, part, x):
    """One stack of a `Plain` module."""
    rows, module.rows = module.rows, [row for row in module.rows if row[0] == part]
    try:
        return module(x)
    finally:
        module.rows = rows


def test_evidence_of_a_model_and_its_importance_weighted_bound():
    images = datasets.load("digits").test.images[:50]
    model = build("vae-mlp", seed=2)
    found = {samples: evidence(model, images, "bernoulli", samples, seed=1) for samples in (0, 1, 50)}
    assert (
        found[1]["negative_elbo"]
        == found[0]["negative_elbo"]
        == pytest.approx(found[1]["reconstruction"] + found[1]["kl"])
    )
    assert found[50]["negative_log_likelihood"] < found[1]["negative_elbo"], (
        "more samples make the bound tighter"
    )
    mean, log_variance = (
        np.asarray(part) for part in model.encoder.predict_on_batch(np.float32(images / 255))
    )
    assert found[1]["kl"] == pytest.approx(float(of(divergence, mean, log_variance).mean()), rel=1e-4)


def test_model_reconstructs_from_the_mean_and_opens_as_a_stock_one(digits, tmp_path):
    model = build("vae-conv", seed=2)
    mean, log_variance = model.encoder.predict_on_batch(digits)
    assert mean.shape == log_variance.shape == (100, 16)
    assert not np.allclose(mean, log_variance)
    np.testing.assert_allclose(
        model.predict_on_batch(digits), model.decoder.predict_on_batch(mean), atol=1e-6
    )
    model.save(tmp_path / "model.keras")
    stock = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(stock.predict_on_batch(digits), model.predict_on_batch(digits), atol=1e-6)
