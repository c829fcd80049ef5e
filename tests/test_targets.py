"""Pairs of images: what goes in, and what is to come out."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.cli.main import kae as kae_command
from keras_mnist_ae.datasets.augment import augmentation
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.errors import DataError, UsageError
from keras_mnist_ae.runs.samples import read_samples


def write(folder, pictures):
    for name, image in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def images(count, side=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), np.uint8)


def load(folder, target):
    return datasets.load(f"{folder}/", target=target)


def negatives(side=16):
    """Random images whose targets are their negatives."""
    clean = images(60, side)
    noisy = 255 - clean
    return kae.Dataset.from_arrays(noisy[:48], noisy[48:], targets=clean[:48], test_targets=clean[48:])


def test_pictures_belong_together_by_their_names(tmp_path, capsys):
    values = images(24)
    names = [f"{'cat' if number % 2 else 'dog'}/{number:02}" for number in range(24)]
    write(tmp_path / "noisy", {f"{name}.png": value for name, value in zip(names, values, strict=True)})
    write(tmp_path / "clean", {f"{name}.bmp": 255 - value for name, value in zip(names, values, strict=True)})
    (tmp_path / "clean" / "cat" / "03.bmp").unlink()
    write(tmp_path / "clean", {"bird/77.bmp": values[0]})
    data = load(tmp_path / "noisy", tmp_path / "clean")
    assert len(data.train.images) + len(data.test.images) == 23
    assert data.classes == ("cat", "dog")
    for split in (data.train, data.test):
        assert (split.targets == 255 - split.images).all()
        for image, label in zip(split.images, split.labels, strict=True):
            (at,) = np.flatnonzero((values == image[..., 0]).all(axis=(1, 2)))
            assert data.classes[label] == names[at].split("/")[0]
    told = capsys.readouterr().err
    assert "with targets" in told
    assert "left out 1 without a target: cat/03.png" in told
    assert "1 targets without an image: bird/77" in told


def test_colours_beside_grey(tmp_path):
    grey = images(8)
    coloured = np.stack([grey, grey // 2, grey // 3], axis=-1)
    write(tmp_path / "in", {f"{number}.png": value for number, value in enumerate(grey)})
    write(tmp_path / "out", {f"{number}.png": value for number, value in enumerate(coloured)})
    data = load(tmp_path / "in", tmp_path / "out")
    assert data.image_shape == (3, 16, 16)
    image, target = data.train.images[0], data.train.targets[0]
    assert (image == image[..., :1]).all()
    assert (target == np.stack([image[..., 0], image[..., 0] // 2, image[..., 0] // 3], axis=-1)).all()


def test_arrays_belong_together_by_their_places(tmp_path):
    values = images(12)
    np.save(tmp_path / "a.npy", values)
    np.save(tmp_path / "b.npy", values[:, ::-1])
    data = datasets.load(tmp_path / "a.npy", target=tmp_path / "b.npy")
    assert (data.train.targets == data.train.images[:, ::-1]).all()


def test_a_broken_target_leaves_its_image_out(tmp_path, capsys):
    values = images(8)
    for folder in ("in", "out"):
        write(tmp_path / folder, {f"{number}.png": value for number, value in enumerate(values)})
    broken = tmp_path / "out" / "5.png"
    broken.write_bytes(broken.read_bytes()[:80])
    data = load(tmp_path / "in", tmp_path / "out")
    for split in (data.train, data.test):
        assert (split.targets == split.images).all()
        assert not (split.images[..., 0] == values[5]).all(axis=(1, 2)).any()
    assert "5.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (lambda at: write(at / "out", {"x.png": images(1)[0]}), "no picture of .* has a target of its name"),
        (lambda at: write(at / "out", {f"{n}.png": images(1, 20)[0] for n in range(8)}), "20x20"),
        (lambda at: None, "there is no folder or file"),
        (lambda at: np.save(at / "out", images(3)), "there is no folder or file"),
    ],
)
def test_targets_that_cannot_be_used(tmp_path, targets, message):
    write(tmp_path / "in", {f"{number}.png": value for number, value in enumerate(images(8))})
    targets(tmp_path)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "in", tmp_path / "out")


def test_as_many_targets_as_images(tmp_path):
    np.save(tmp_path / "a.npy", images(12))
    np.save(tmp_path / "b.npy", images(11))
    with pytest.raises(DataError, match="has 12 images, but .* has 11 images"):
        datasets.load(tmp_path / "a.npy", target=tmp_path / "b.npy")


def test_colours_beside_transparency_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([images(8)] * 3, axis=-1))
    np.save(tmp_path / "b.npy", np.stack([images(8)] * 4, axis=-1))
    with pytest.raises(DataError, match="have 3 channels, their targets in .* 4"):
        datasets.load(tmp_path / "a.npy", target=tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("variant", "setting", "message"),
    [
        ("conv", {"noise": "mask:0.5"}, "noise and target exclude"),
        ("conv", {"binarize": "static"}, "binarize and target exclude"),
        ("vae-conv", {}, "not variational"),
    ],
)
def test_what_needs_the_images_themselves(tmp_path, variant, setting, message):
    with pytest.raises(UsageError, match=message):
        kae.train(variant, negatives(), runs_dir=tmp_path, **setting)


def test_named_sets_have_no_targets():
    with pytest.raises(UsageError, match="digits has none"):
        datasets.load("digits", target="clean")


def test_images_and_targets_move_alike():
    from keras_mnist_ae.models.batches import Batches

    values = images(40)[..., np.newaxis]
    chance = Chance(0, augment=augmentation("shift:3,flip"))
    batches = Batches(values, 16, 0, chance=chance, targets=255 - values)
    moved = 0
    for at, (given, wanted) in enumerate(batches.get_numpy_iterator()):
        np.testing.assert_allclose(given + wanted, 1, atol=1e-6)
        moved += int((given != to_float(values[batches.order[at * 16 :][: len(given)]])).any())
    assert moved == 3


@pytest.mark.backend
def test_errors_are_those_to_the_targets(tmp_path):
    run = kae.train("mlp", negatives(28), epochs=3, runs_dir=tmp_path)
    data = run.data
    inputs, wanted = to_float(data.test.images), to_float(data.test.targets)
    given = np.asarray(run.model.predict(inputs, verbose=0))
    error = float(np.square(given - wanted).mean())
    assert run.history["val_loss"][-1] == pytest.approx(error, rel=1e-4)
    numbers = run.evaluate()
    assert numbers["mse"] == pytest.approx(error, rel=1e-5)
    assert numbers["input_mse"] == pytest.approx(float(np.square(inputs - wanted).mean()), rel=1e-6)
    mean = to_float(data.train.targets).mean(axis=0)
    assert numbers["mean_image_mse"] == pytest.approx(float(np.square(mean - wanted).mean()), rel=1e-5)


def test_a_run_is_measured_on_pairs_that_lie_elsewhere(tmp_path):
    """The same pairs under other paths are the run's own; others have numbers of their own."""
    values = np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8)
    for name, array in {"in": values, "out": 255 - values, "other": values // 2}.items():
        np.save(tmp_path / f"{name}.npy", array)
    paths = {name: str(tmp_path / f"{name}.npy") for name in ("in", "out", "other")}
    run = kae.train(
        "conv", paths["in"], target=paths["out"], epochs=1, latent_dim=4, runs_dir=tmp_path / "runs"
    )
    before = kae.Run(run.path).evaluate()
    moved = {name: shutil.move(path, tmp_path / f"moved-{name}.npy") for name, path in paths.items()}
    after = kae.Run(run.path).evaluate(dataset=(moved["in"], moved["out"]))
    assert after["mse"] == before["mse"]
    other = CliRunner().invoke(
        kae_command,
        ["evaluate", str(run.path), "--dataset", str(moved["in"]), "--target", str(moved["other"]), "--json"],
    )
    assert other.exit_code == 0, other.output
    test = datasets.load(str(moved["in"]), target=moved["other"]).test
    given = np.asarray(run.model.predict(to_float(test.images), verbose=0))
    wanted = float(np.square(given - to_float(test.targets)).mean())
    assert json.loads(other.stdout.splitlines()[-1])["mse"] == pytest.approx(wanted, rel=1e-5)
    assert kae.Run(run.path).metrics["mse"] == before["mse"]


def test_a_run_keeps_targets_with_its_samples(tmp_path):
    run = kae.train("conv", negatives(), epochs=1, latent_dim=4, runs_dir=tmp_path)
    kept = read_samples(run)
    assert (kept.test.targets == 255 - kept.test.images).all()


@pytest.mark.backend
def test_training_learns_the_targets(tmp_path):
    """The negative of dark squares, which no autoencoder of the images themselves would give."""
    values = np.zeros((64, 16, 16), np.uint8)
    for number, image in enumerate(values):
        image[number % 8 : number % 8 + 8, 4:12] = 200
    data = kae.Dataset.from_arrays(values, values[:8], targets=255 - values, test_targets=255 - values[:8])
    run = kae.train("conv", data, epochs=20, batch_size=8, latent_dim=4, runs_dir=tmp_path)
    numbers = run.evaluate()
    assert numbers["mse"] < 0.1 * numbers["mean_image_mse"]
