"""Training images moved and mirrored: by what was asked for, the same for the same seed, new at each
step; the target moves with the input, and nothing else does.
"""

import numpy as np
import pytest

from keras_mnist_ae import datasets, train
from keras_mnist_ae.datasets.augment import Augmentation, augmentation
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.models.batches import Batches

COLOURED = np.random.default_rng(0).random((400, 9, 12, 3), np.float32)


def where(moved, image, shift):
    """The distances (down, right, mirrored) that make `moved` of `image`: numpy's own padding and
    slices, tried one by one.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((shift, shift), (shift, shift), (0, 0)), mode="edge")
    return [
        (down, right, mirrored)
        for down in range(-shift, shift + 1)
        for right in range(-shift, shift + 1)
        for mirrored in (False, True)
        for cut in [padded[shift - down :, shift - right :][:height, :width]]
        if np.array_equal(moved, cut[:, ::-1] if mirrored else cut)
    ]


@pytest.mark.parametrize(
    ("text", "shift", "flip"), [("shift:2", 2, False), ("flip", 0, True), ("flip,shift:1", 1, True)]
)
def test_every_distance_is_as_likely_and_the_edge_is_repeated(text, shift, flip):
    moved = augmentation(text)(COLOURED, np.random.default_rng(3))
    assert moved.dtype == np.float32
    found = [where(one, image, shift) for one, image in zip(moved, COLOURED, strict=True)]
    assert all(len(ways) == 1 for ways in found)
    down, right, mirrored = np.array([ways[0] for ways in found]).T
    for distances in (down, right):
        shares = np.bincount(distances + shift, minlength=2 * shift + 1) / len(found)
        np.testing.assert_allclose(shares, 1 / (2 * shift + 1), atol=0.09)  # four deviations
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.2 if shift else True
    assert mirrored.mean() == pytest.approx(0.5 if flip else 0, abs=0.1)


def batches_of(images, epoch, skipped=0, **more):
    batches = Batches(images, 16, seed=1, skipped=skipped, chance=Chance(3, augment=Augmentation(2), **more))
    batches.start(epoch)
    return batches


IMAGES = (COLOURED[:64] * 255).astype(np.uint8)


def test_input_and_target_move_together_anew_in_each_epoch_and_alike_after_a_resume():
    first = list(batches_of(IMAGES, 0).get_numpy_iterator())
    assert all(given is target for given, target in first)
    for (_, target), (_, again) in zip(first[2:], batches_of(IMAGES, 0, 2).get_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(target, again)
    order = batches_of(IMAGES, 0).order
    pixels = to_float(IMAGES)
    ways = [
        where(one, pixels[at], 2)[0]
        for one, at in zip(np.concatenate([t for _, t in first]), order, strict=True)
    ]
    second = np.concatenate([t for _, t in batches_of(IMAGES, 1).get_numpy_iterator()])
    others = [
        where(one, pixels[at], 2)[0] for one, at in zip(second, batches_of(IMAGES, 1).order, strict=True)
    ]
    assert ways != others


def test_images_move_before_they_are_drawn_as_black_and_white():
    grey = np.full((32, 8, 8, 1), 128, np.uint8)
    grey[:, :, :4] = 0  # the left half is black
    for _, target in batches_of(grey, 0, binarize=True).get_numpy_iterator():
        assert set(np.unique(target)) == {0, 1}
        first_white = target.any(axis=(1, 3)).argmax(axis=1)
        assert set(first_white) <= set(range(2, 7))
        assert len(set(first_white)) > 1


@pytest.mark.backend
def test_every_backend_trains_on_the_same_moved_images(tmp_path):
    """One step at a rate too small to matter: its loss is that of the untrained model on them."""
    settings = {"dataset": "digits", "limit": 64, "batch_size": 64, "epochs": 1, "learning_rate": 1e-12}
    plain = train("mlp", **settings, runs_dir=tmp_path, name="plain")
    run = train("mlp", augment="shift:4", **settings, runs_dir=tmp_path, name="moved")
    images = to_float(datasets.load("digits").train.images[:64])
    order = np.random.default_rng((0, 0)).permutation(64)
    moved = Chance(0, augment=Augmentation(4)).targets(images[order], 0, 0)
    expected = np.square(run.model.predict(moved, verbose=0) - moved).mean()
    assert run.history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert plain.history["loss"][0] != pytest.approx(expected, rel=1e-3)
    assert run.history["val_loss"] == pytest.approx(plain.history["val_loss"], rel=1e-5), "as they are"


@pytest.mark.parametrize(
    "text", ["shift", "shift:0", "shift:-1", "shift:1.5", "flip:2", "flip,flip", "turn", "", 3]
)
def test_what_cannot_be_done(text):
    with pytest.raises(UsageError, match=r"augment is .*; give shift:PIXELS"):
        augmentation(text)


def test_a_shift_out_of_view_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"up to 15 pixels, more than half .* give at most shift:14"):
        train("mlp", "digits", augment="shift:15", runs_dir=tmp_path)
