"""Averages of the weights: those of a sum written down here, measured after each epoch, and kept."""

import keras
import numpy as np
import pytest

from keras_mnist_ae import train
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.training.resume import resume

SETTINGS = {"dataset": "digits", "limit": 160, "epochs": 2, "batch_size": 32, "checkpoint_every": "1"}
DECAY = 0.8


class Steps(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.weights.append([np.array(weight) for weight in self.model.get_weights()])


@pytest.mark.slow("tensorflow")
@pytest.mark.backend
def test_what_is_measured_and_kept_is_the_average_of_the_weights(tmp_path):
    steps, plain = Steps(), Steps()
    run = train("mlp", callbacks=[steps], ema=DECAY, runs_dir=tmp_path, name="ema", **SETTINGS)
    train("mlp", callbacks=[plain], runs_dir=tmp_path, name="plain", **SETTINGS)
    assert len(steps.weights) == 10
    for ours, theirs in zip(steps.weights, plain.weights, strict=True):
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our, their, "averaging changed the training")
    expected = [np.float64(weight) for weight in steps.weights[0]]
    for weights in steps.weights[1:]:
        expected = [
            DECAY * mean + (1 - DECAY) * weight for mean, weight in zip(expected, weights, strict=True)
        ]
    for kept, mean in zip(run.model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(kept, mean, atol=2e-6)
    assert run.history["val_loss"][-1] == pytest.approx(run.metrics["test_mse"], rel=1e-4)


@pytest.mark.backend
def test_batch_normalisation_has_the_statistics_of_the_averaged_weights(tmp_path):
    run = train("mlp", batch_norm=True, ema=DECAY, runs_dir=tmp_path, name="bn", **SETTINGS)
    assert run.history["val_loss"][-1] == pytest.approx(run.metrics["test_mse"], rel=1e-4)
    moving = [w for w in run.model.weights if w.path.endswith("moving_variance")]
    settled = [np.array(w) for w in moving]
    assert settled
    assert all(np.abs(variance - 1).max() > 0.1 for variance in settled)


def test_more_epochs_average_on_from_the_weights_that_are_there(tmp_path):
    run = train("mlp", ema=0.95, runs_dir=tmp_path, name="more", **SETTINGS)
    longer = resume(run, epochs=3)
    assert longer.history["val_loss"][2] < 1.05 * longer.history["val_loss"][1]


def test_a_decay_that_outlasts_the_training_is_said(tmp_path, capfd):
    train("mlp", ema=0.999, runs_dir=tmp_path, name="slow", **{**SETTINGS, "epochs": 1})
    assert "after 5 steps the average of the weights is to 100% those of the first" in capfd.readouterr().err


def test_another_optimizer_averages_itself(tmp_path):
    with pytest.raises(UsageError, match="give your optimizer use_ema=True and ema_momentum=0.9"):
        train("mlp", ema=0.9, optimizer=keras.optimizers.SGD(), runs_dir=tmp_path, **SETTINGS)
    own = keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9)
    run = train("mlp", optimizer=own, runs_dir=tmp_path, name="own", **SETTINGS)
    assert run.history["val_loss"][-1] == pytest.approx(run.metrics["test_mse"], rel=1e-4)


@pytest.mark.parametrize("decay", [1.0, -0.1, "0.9"])
def test_decays_that_are_none(decay):
    with pytest.raises(UsageError, match="ema is"):
        train("mlp", ema=decay)
