"""What a small set of one's own is trained with where nothing was asked for."""

import dataclasses

import numpy as np

import keras_mnist_ae as kae
from keras_mnist_ae.analysis.sameness import harmless
from keras_mnist_ae.datasets import load
from keras_mnist_ae.datasets.augment import Augmentation
from keras_mnist_ae.runs.config import configure
from keras_mnist_ae.training.defaults import settled

GENERATOR = np.random.default_rng(5)


def noise_images(count, side=24, widest=2 * np.pi):
    """Waves of any phase and, up to the widest angle, any direction, with grain: a set that shifting
    leaves the same, and mirroring where all directions are in it.
    """
    y, x = np.mgrid[:side, :side] / side
    angle, phase, turns = (
        GENERATOR.uniform(0, most, (count, 1, 1)) for most in (widest, 2 * np.pi, 2 * np.pi)
    )
    waves = np.sin(turns * (np.cos(angle) * x + np.sin(angle) * y) + phase)
    grain = GENERATOR.normal(0, 20, waves.shape)
    return np.uint8(np.clip(127 + 80 * waves + grain, 0, 255))[..., None]


def test_what_has_a_direction_or_a_place_is_left_as_it_is():
    assert harmless(noise_images(200)) == Augmentation(shift=2, flip=True)
    assert not harmless(load("digits").train.images[:300])
    assert not harmless(noise_images(20))
    lit = noise_images(200)
    lit[:, :, :12] //= 3  # from the right
    assert not harmless(lit).flip
    assert harmless(noise_images(400, widest=np.pi / 2)) == Augmentation(shift=2)


def test_a_small_set_of_ones_own_is_changed_at_random_and_that_is_said(capsys):
    data = kae.Dataset.from_arrays(noise_images(240))
    config = settled(configure(variant="conv", dataset="arrays"), data)
    assert config.augment == "shift:2,flip"
    assert config.epochs * -(-200 // config.batch_size) >= 1500
    assert "augment shift:2,flip" in capsys.readouterr().err
    for given in ({"augment": "none"}, {"variant": "mlp"}):
        kept = settled(configure(**{"variant": "conv", "dataset": "arrays", **given}), data)
        assert kept.augment in (None, "none")
        assert kept.epochs * -(-200 // kept.batch_size) < 600
    assert settled(config, data) == config, "a resumed run keeps what was chosen"


def test_named_sets_train_as_before(capsys):
    config = configure(variant="conv", dataset="digits")
    assert settled(config, load("digits")) == config
    assert not capsys.readouterr().err


def test_a_validation_split_is_kept_out_whole(capsys):
    data = dataclasses.replace(kae.Dataset.from_arrays(noise_images(60)), validation=8)
    kept = {
        asked: settled(configure(variant="mlp", dataset="arrays", validation=asked), data).validation
        for asked in (0, 4, 12)
    }
    assert kept == {0: 8, 4: 8, 12: 12}
    assert capsys.readouterr().err.count("all 8 images of the validation split are kept out") == 1
