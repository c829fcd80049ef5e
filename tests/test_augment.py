"""Random changes of training images, and when they are made without being asked for."""

import numpy as np
import pytest

import keras_mnist_ae as kae
from keras_mnist_ae.analysis.sameness import harmless
from keras_mnist_ae.datasets import load
from keras_mnist_ae.datasets.augment import augmented, changes
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models.batches import Batches
from keras_mnist_ae.runs.config import configure
from keras_mnist_ae.training.defaults import settled

GENERATOR = np.random.default_rng(5)


def noise_images(count, side=24):
    """Waves of any direction and phase, with grain: a set that mirroring and shifting leaves the same."""
    y, x = np.mgrid[:side, :side] / side
    angle, phase, turns = (GENERATOR.uniform(0, 2 * np.pi, (count, 1, 1)) for _ in range(3))
    waves = np.sin(turns * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    grain = GENERATOR.normal(0, 20, waves.shape)
    return np.uint8(np.clip(127 + 80 * waves + grain, 0, 255))[..., None]


def test_each_image_is_itself_or_its_mirror_image():
    images = GENERATOR.random((200, 5, 7, 3), np.float32)
    changed = augmented(images, ("mirror",), np.random.default_rng(0))
    same = (changed == images).all((1, 2, 3))
    mirrored = (changed == np.flip(images, 2)).all((1, 2, 3))
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130


def test_a_shift_moves_by_a_tenth_at_most_and_repeats_the_edge():
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None], (300, 40, 30))[..., None]
    changed = augmented(ramp, ("shift",), np.random.default_rng(0))
    moves = changed[:, 20, 0, 0] - 20
    assert {*moves} == set(range(-4, 5))
    for image, move in zip(changed[..., 0], moves, strict=True):
        np.testing.assert_array_equal(image[:, 3], np.clip(np.arange(40) + move, 0, 39))


def test_the_changed_images_are_what_is_to_come_out_and_repeat_with_the_seed():
    images = GENERATOR.random((8, 6, 6, 1), np.float32)
    chance = Chance(3, augment=("mirror", "shift"))
    first, again, other = (chance.targets(images, 2, batch) for batch in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != images).any()


@pytest.mark.parametrize("text", ["", "flip", "mirror,mirror", "none,shift", "mirror;shift"])
def test_unknown_changes_are_refused(text):
    with pytest.raises(UsageError, match="augment is"):
        configure(augment=text)


def test_changes_are_in_the_order_of_the_table():
    assert changes("shift,mirror") == ("mirror", "shift")
    assert changes("none") == ()


def test_what_has_a_direction_or_a_place_is_left_as_it_is():
    assert harmless(noise_images(200)) == ("mirror", "shift")
    assert harmless(load("digits").train.images[:300]) == ()
    assert harmless(noise_images(20)) == ()


def test_a_small_set_of_ones_own_is_changed_at_random_and_that_is_said(capsys):
    data = kae.Dataset.from_arrays(noise_images(240))
    config = settled(configure(variant="conv", dataset="arrays"), data)
    assert config.augment == "mirror,shift"
    assert config.epochs * -(-200 // config.batch_size) >= 1500
    assert "mirrored and shifted at random" in capsys.readouterr().err
    for given in ({"augment": "none"}, {"variant": "mlp"}):
        kept = settled(configure(**{"variant": "conv", "dataset": "arrays", **given}), data)
        assert kept.augment in (None, "none")
        assert kept.epochs * -(-200 // kept.batch_size) < 600
    assert settled(config, data) == config, "a resumed run keeps what was chosen"


def test_named_sets_train_as_before(capsys):
    config = configure(variant="conv", dataset="digits")
    assert settled(config, load("digits")) == config
    assert not capsys.readouterr().err


def test_a_resumed_epoch_is_changed_as_a_whole_one():
    images = noise_images(12, side=16)
    chance = Chance(1, augment=("mirror", "shift"))
    whole = [target for _, target in Batches(images, 4, 0, 0, chance).get_numpy_iterator()]
    rest = [target for _, target in Batches(images, 4, 0, 1, chance).get_numpy_iterator()]
    np.testing.assert_array_equal(whole[1:], rest)
