"""Images of one's own: folders of pictures, .npz and .npy files, and making them fit."""

import errno
import os
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from keras_mnist_ae import datasets
from keras_mnist_ae.datasets.reading import Fit
from keras_mnist_ae.datasets.resize import fitted_array
from keras_mnist_ae.errors import DataError, WriteError
from keras_mnist_ae.system.progress import phase, shown_by

GENERATOR = np.random.default_rng(3)


def picture(path, mode="L", size=(20, 24), value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (
        GENERATOR.integers(0, 256, (size[1], size[0]), dtype=np.uint8)
        if value is None
        else np.full((size[1], size[0]), value, np.uint8)
    )
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def load(path, fit=None):
    return datasets.load(str(path), fit=fit)


def test_subfolders_are_classes_and_one_in_six_is_for_the_test(tmp_path):
    for name in ("cat", "dog"):
        for number in range(15):
            picture(tmp_path / name / f"{number}.png", value=number + (100 if name == "dog" else 0))
    found = load(tmp_path)
    assert found.classes == ("cat", "dog")
    assert (len(found.train.images), len(found.test.images)) == (25, 5)
    assert found.image_shape == (1, 24, 20)
    for split in (found.train, found.test):
        values = split.images[:, 0, 0, 0]
        np.testing.assert_array_equal(values >= 100, split.labels == 1)
    assert len({*found.train.images[:, 0, 0, 0], *found.test.images[:, 0, 0, 0]}) == 30, (
        "each is in one of the two"
    )
    again = load(tmp_path)
    assert again.sha256 == found.sha256
    np.testing.assert_array_equal(again.test.images, found.test.images)


def test_folders_named_train_and_test_are_the_splits(tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for number in range(count):
            picture(tmp_path / split / "a" / f"{number}.png")
            picture(tmp_path / split / "b" / f"{number}.jpg")
    found = load(tmp_path)
    assert (len(found.train.images), len(found.test.images), found.classes) == (8, 4, ("a", "b"))


def test_a_flat_folder_has_no_classes(tmp_path):
    for number in range(12):
        picture(tmp_path / f"{number}.png")
    found = load(tmp_path)
    assert found.classes == ()
    assert found.train.labels is None


def test_every_kind_of_picture_and_what_becomes_of_it(tmp_path):
    Image.fromarray(np.full((8, 8), 51 * 257, np.uint16)).save(tmp_path / "sixteen.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "palette.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "transparent.png")
    Image.new("LA", (8, 8), (40, 255)).save(tmp_path / "with alpha.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(tmp_path / "print.jpg")
    found = load(tmp_path)
    assert found.image_shape == (3, 8, 8), "some are in colour"
    colours = {
        tuple(int(value) for value in image[4, 4]) for image in (*found.train.images, *found.test.images)
    }
    assert colours == {(51, 51, 51), (10, 20, 30), (255, 255, 255), (40, 40, 40), (0, 0, 0)}


def test_exif_turns_a_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(2):
        Image.new("L", (10, 30)).save(tmp_path / f"{number}.jpg", exif=exif)
    assert load(tmp_path).image_shape == (1, 10, 30)


def test_unreadable_pictures_are_listed_and_fatal_when_they_are_most(tmp_path, capsys):
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    found = load(tmp_path)
    assert len(found.train.images) + len(found.test.images) == 3
    assert "2 broken" in (told := capsys.readouterr().err)
    assert "bad.png" in told
    assert "cut.png" in told
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(DataError, match="4 of 5 pictures in .* cannot be read"):
        load(tmp_path)


def test_mixed_sizes_want_a_fit(tmp_path):
    for number, size in enumerate([(20, 24), (24, 20), (30, 30)]):
        picture(tmp_path / f"{number}.png", size=size)
    with pytest.raises(DataError, match="have 3 sizes: 30x30 .2.png., 20x24 .*\nFit them: resize=SIZE"):
        load(tmp_path)
    assert load(tmp_path, Fit(16, 18)).image_shape == (1, 16, 18)
    assert load(tmp_path, Fit(16, 18, 3)).image_shape == (3, 16, 18)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: (path.mkdir(), (path / "a.txt").write_text("")),
    ],
)
def test_nothing_there(tmp_path, make):
    make(tmp_path / "set")
    with pytest.raises(DataError, match="there is no folder or file|holds no pictures"):
        load(f"{tmp_path}/set")


def test_one_picture_is_too_few(tmp_path):
    picture(tmp_path / "one.png")
    with pytest.raises(DataError, match="has 1 image; give at least 2"):
        load(tmp_path)


def test_fitting_covers_then_crops_at_the_centre():
    wide = np.zeros((10, 30, 1), np.uint8)
    wide[:, 10:20] = 200
    np.testing.assert_array_equal(fitted_array(wide, Fit(10, 10)), np.full((10, 10, 1), 200))
    colours = np.zeros((4, 4, 3), np.uint8)
    colours[..., 1] = 100
    np.testing.assert_array_equal(
        fitted_array(colours, Fit(4, 4, 1)), np.full((4, 4, 1), 59), "ITU-R 601: 0.587 of green"
    )
    np.testing.assert_array_equal(fitted_array(wide, Fit(10, 30, 3))[..., 2], wide[..., 0])


IMAGES = GENERATOR.integers(0, 256, (30, 9, 11, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "shape", "counts"),
    [
        (
            {
                "x_train": IMAGES,
                "y_train": np.arange(30),
                "x_test": IMAGES[:7],
                "y_test": np.arange(7)[:, np.newaxis],
            },
            (3, 9, 11),
            (30, 7),
        ),
        ({"train_images": IMAGES[..., 0], "test_images": IMAGES[:7, ..., 0]}, (1, 9, 11), (30, 7)),
        ({"images": IMAGES / 255, "labels": np.arange(30)}, (3, 9, 11), (25, 5)),
        ({"anything": IMAGES.transpose(0, 3, 1, 2)}, (3, 9, 11), (25, 5)),
        ({"images": IMAGES[..., 0] > 100}, (1, 9, 11), (25, 5)),
        ({"images": IMAGES.astype(np.int64)}, (3, 9, 11), (25, 5)),
    ],
    ids=["keras", "named", "floats", "channels first", "bits", "integers"],
)
def test_npz(tmp_path, arrays, shape, counts):
    np.savez_compressed(tmp_path / "set.npz", **arrays)
    found = load(tmp_path / "set.npz")
    assert found.image_shape == shape
    assert (len(found.train.images), len(found.test.images)) == counts
    whole = np.concatenate([found.train.images, found.test.images])
    if counts == (25, 5) and shape[0] == 3:
        assert {image.tobytes() for image in whole} == {image.tobytes() for image in IMAGES}
    assert (found.train.labels is not None) == any(name in arrays for name in ("y_train", "labels"))


def test_npy_with_a_fit(tmp_path):
    np.save(tmp_path / "set.npy", IMAGES)
    assert load(tmp_path / "set.npy", Fit(16, 16, 1)).image_shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((9, 8, 8), np.nan), "holds NaN"),
        (
            np.linspace(0, 3, 9 * 64).reshape(9, 8, 8),
            "values from 0 to 3 .*give uint8 in 0..255 or floating point in",
        ),
        (np.full((9, 8, 8), 256), "values from 256 to 256"),
        (np.full((9, 8, 8), -1), "values from -1"),
        (np.zeros((9, 8, 8, 2)), "give 1, 3, 4 channels"),
        (np.zeros((9, 63)), "give images of shape"),
        (np.zeros((1, 8, 8)), "has 1 image"),
        (np.zeros((0, 8, 8)), "no images"),
        (np.zeros((9, 8, 8), "U3"), "is of type <U3"),
        (np.zeros((9, 8, 8), complex), "is of type complex128"),
    ],
)
def test_array_that_cannot_be_used(tmp_path, array, message):
    np.save(tmp_path / "set.npy", array)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "set.npy")


def test_what_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((100_000, 28, 28), np.uint8))
    with pytest.raises(DataError, match="packed to less than a 200th"):
        load(tmp_path / "bomb.npz")
    (tmp_path / "pictures").mkdir()
    Image.new("1", (9_000, 9_000)).save(tmp_path / "pictures" / "large.png")
    with pytest.raises(DataError, match="it is 9000x9000, more than 33,554,432 pixels"):
        load(tmp_path / "pictures")
    with (tmp_path / "short.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 28, 28)}
        )
    with pytest.raises(DataError, match="is truncated"):
        load(tmp_path / "short.npy")


def test_space_that_is_not_there_is_told(tmp_path, monkeypatch):
    def none(descriptor, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", none)
    np.save(tmp_path / "set.npy", IMAGES)
    with pytest.raises(WriteError, match="No space left on device"):
        load(tmp_path / "set.npy")


def test_npz_that_cannot_be_used(tmp_path):
    for arrays, message in (
        ({"a": IMAGES, "b": IMAGES}, "it has the arrays a, b; give x_train"),
        ({"images": IMAGES, "labels": np.arange(3)}, "30 images and 3 labels"),
        ({"x_train": IMAGES, "x_test": IMAGES[:, :5]}, "x_train has images of"),
    ):
        np.savez(tmp_path / "set.npz", **arrays)
        with pytest.raises(DataError, match=message):
            load(tmp_path / "set.npz")
    (tmp_path / "set.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(DataError, match="cannot be used"):
        load(tmp_path / "set.npz")


def test_digits_made_to_fit():
    found = datasets.load("digits", fit=Fit(16, 20, 3))
    assert found.image_shape == (3, 16, 20)
    assert found.sha256 != datasets.load("digits").sha256
    assert found.classes == datasets.load("digits").classes


def test_the_reading_of_pictures_is_shown(tmp_path):
    """By whoever asked to be told: here a list, at the command line a bar."""
    for number in range(600):
        picture(tmp_path / f"{number}.png")
    told = []

    @contextmanager
    def progress(label, total=None):
        told.append([label, total, 0])

        def advance(count):
            told[-1][2] += count

        yield advance

    with shown_by(progress):
        load(tmp_path)
    assert [each[:2] for each in told] == [
        ["looking at pictures", 600],
        ["reading images", 500],
        ["reading images", 100],
    ]
    assert all(total - 256 < count <= total for _, total, count in told)


def test_of_several_processes_of_a_job_the_first_shows_its_phases(capsys, monkeypatch):
    from keras_mnist_ae.cli import progress

    monkeypatch.setattr(progress, "INTERVAL", 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with shown_by(progress.progress), phase(f"rank {rank}", 1) as advance:
            advance(1)
    said = capsys.readouterr().err
    assert "rank 0: 1" in said
    assert "rank 1" not in said


def test_a_phase_within_another_is_not_shown(capsys, monkeypatch):
    from keras_mnist_ae.cli import progress

    monkeypatch.setattr(progress, "INTERVAL", 0)
    with shown_by(progress.progress), phase("outer", 2) as outer:
        with phase("inner", 1) as inner:
            inner(1)
        outer(1)
    said = capsys.readouterr().err
    assert "outer: 1" in said
    assert "inner" not in said
