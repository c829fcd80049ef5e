"""Noise: of the kind and amount asked for, the same for the same seed, new at each step; and
training with it.
"""

import numpy as np
import pytest

from keras_mnist_ae import datasets
from keras_mnist_ae.datasets.noise import Chance, corruption
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models.batches import Batches

GREY = np.full((50, 28, 28, 3), 0.5, np.float32)


def noisy(text):
    return corruption(text)(GREY, np.random.default_rng(0))


def test_gaussian_noise_has_its_deviation_and_stays_within_the_range():
    assert noisy("gaussian:0.1").std() == pytest.approx(0.1, rel=0.02)
    strong = noisy("gaussian:2")
    assert strong.min() == 0
    assert strong.max() == 1
    assert strong.dtype == np.float32


def test_masking_takes_its_share_of_whole_pixels():
    found = noisy("mask:0.25")
    assert set(np.unique(found)) == {0, 0.5}
    assert (found == 0).mean() == pytest.approx(0.25, rel=0.03)
    assert ((found == 0).any(axis=-1) == (found == 0).all(axis=-1)).all()


def test_salt_and_pepper_are_as_likely():
    found = noisy("salt-pepper:0.2")
    assert (found == 0).mean() == pytest.approx(0.1, rel=0.06)
    assert (found == 1).mean() == pytest.approx(0.1, rel=0.06)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "text",
    ["gaussian", "gaussian:0", "gaussian:-1", "gaussian:nan", "mask:1.5", "blur:0.1", "", 3, "salt-pepper:2"],
)
def test_noise_that_cannot_be_made(text):
    with pytest.raises(UsageError, match="noise is"):
        corruption(text)


def test_noise_is_that_of_its_place_whatever_came_before():
    images = datasets.load("digits").train.images[:100]
    chance = Chance(7, corruption("gaussian:0.3"), latent=4, beta=2.0, warm_up=10)
    whole = Batches(images, 32, seed=1, chance=chance)
    whole.start(3)
    rest = Batches(images, 32, seed=1, skipped=2, chance=chance)
    rest.start(3)
    batches = list(whole.get_numpy_iterator())
    for (given, target), (again, same) in zip(batches[2:], rest.get_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(target, same)
        for ours, theirs in zip(given, again, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    first, second = batches[0][0][1], batches[1][0][1]
    assert not np.array_equal(first, second)
    assert batches[0][0][2][0] == 2.0, "12 batches came before: the weight has risen"


@pytest.mark.parametrize("resident", [False, True], ids=["as on a processor", "as on a GPU"])
def test_batches_are_the_same_on_every_backend(resident, monkeypatch):
    """The gathering on a device and the generator give one thing."""
    import keras

    if resident and keras.backend.backend() == "torch":
        monkeypatch.setattr("keras.src.backend.torch.core.get_device", lambda: "cpu:0")
    if resident and keras.backend.backend() == "jax":
        monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    images = datasets.load("digits").train.images[:70]
    adapter = Batches(images, 32, seed=1)
    adapter.start(2)
    expected = [target for _, target in adapter.get_numpy_iterator()]
    match keras.backend.backend():
        case "torch":
            found = [given.numpy() for given, _ in adapter.get_torch_dataloader()]
        case "tensorflow":
            found = [given.numpy() for given, _ in adapter.get_tf_dataset()]
        case _:
            found = [np.asarray(given) for given, _ in adapter.get_jax_iterator()]
    assert len(found) == adapter.num_batches == 3
    assert (adapter._on_device is not None) == (resident and keras.backend.backend() != "tensorflow")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert adapter.partial_batch_size == 6
