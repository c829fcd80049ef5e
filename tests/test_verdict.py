"""The sentences that say how a training went."""

import pytest

from keras_mnist_ae.analysis.verdict import verdict

STEADY = {"loss": [0.03, 0.02, 0.01], "val_loss": [0.011, 0.01, 0.01]}
METRICS = {"train_mse": 0.01, "test_mse": 0.01, "pca_mse": 0.02, "mean_image_mse": 0.06}


@pytest.mark.parametrize(
    ("history", "metrics", "start"),
    [
        (STEADY, METRICS, "Good: test MSE 0.01000, 2.0 times better than a PCA of the same size."),
        (STEADY, {"train_mse": 0.01, "test_mse": 0.01}, "Good: test MSE 0.01000."),
        (STEADY, METRICS | {"test_mse": 0.06}, "Worthless: test MSE 0.06000 is no better than the"),
        (STEADY, METRICS | {"test_mse": 0.03}, "Worse than a PCA of the same size: test MSE 0.03"),
        (
            STEADY,
            METRICS | {"test_mse": 0.03, "pca_mse": 0.0001},
            "A PCA with as many numbers reproduces these images almost exactly",
        ),
        (
            {"loss": [0.03, 0.02, 0.01], "val_loss": [0.03, 0.02, 0.01]},
            METRICS,
            "Still falling at the end: by 50% over the last epoch.",
        ),
        (
            {"loss": [0.03, 0.01, 0.001], "val_loss": [0.03, 0.01, 0.012]},
            METRICS | {"train_mse": 0.001},
            "Over-fitting: the error on unseen images was lowest after epoch 2",
        ),
    ],
)
def test_first_sentence(history, metrics, start):
    assert verdict(history, metrics)[0].startswith(start)


def test_what_is_advised_first_is_what_helps_first():
    """And nothing that would train in the same way again."""
    falling = {"loss": [0.1, 0.08, 0.06], "val_loss": [0.1, 0.08, 0.06]}
    worthless = METRICS | {"test_mse": 0.06}
    assert "Try a lower --learning-rate, then more --epochs, then" in verdict(STEADY, worthless)[0]
    assert "Try more --epochs, then a lower --learning-rate, then" in verdict(falling, worthless)[0]
    worse = METRICS | {"test_mse": 0.03}
    assert verdict(STEADY, worse)[0].endswith("Try more --epochs, then a larger variant.")
    assert "then --recipe best, then" in verdict(STEADY, worse, better_recipe=True)[0]


def test_collapsed_code_goes_first_and_is_said_once():
    sentences = verdict(STEADY, METRICS | {"test_mse": 0.06}, "every image has the same code.\nTry.")
    assert sentences[0] == "every image has the same code. Try."
    assert sentences[1].startswith("Worthless")


def test_losses_in_nats_below_zero_say_nothing_of_a_trend():
    history = {"loss": [3, 2, -1], "val_loss": [3, 2, -1]}
    assert len(verdict(history, METRICS)) == 1
