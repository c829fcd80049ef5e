"""Tables of pixels as people have them: each image comes out with its own label."""

import numpy as np
import pyarrow as arrow
import pytest
from PIL import Image
from pyarrow import parquet

from keras_mnist_ae import datasets
from keras_mnist_ae.datasets import Reading
from keras_mnist_ae.errors import DataError
from keras_mnist_ae.export.inputs import reading as given_to_infer

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)
IMAGES[:, 0, 0] = 0  # as the corners of MNIST are
FLAT = IMAGES.reshape(40, 64)
LABELS = np.arange(40) % 4
WORDS = np.array(["cat", "dog", "emu", "fox"])[LABELS]
NAMES = [f"pixel{number}" for number in range(64)]
SHUFFLED = RNG.permutation(64)
ALPHABETIC = np.argsort(np.array(NAMES))


def csv(*rows, header=()):
    return [list(header)] * bool(header) + [list(row) for row in zip(*rows, strict=True)]


def beside(columns=range(64)):
    return list(FLAT[:, list(columns)].T)


def text(sep):
    return [f'"{sep.join(map(str, row))}"' for row in FLAT]


def columns(**more):
    return more | {name: FLAT[:, at] for at, name in enumerate(NAMES)}


def without(values, *rows):
    return arrow.array([None if at in rows else value.item() for at, value in enumerate(np.asarray(values))])


USAGE = ["Training" if at < 30 else ("PublicTest", "PrivateTest")[at % 2] for at in range(40)]
ALL, NUMBERS, NONE = [*range(40)], "0123", ""

TABLES = {  # the lines of a CSV or the columns of a Parquet file; its rows, classes, and what is said
    "labels first, no header": (csv(LABELS, *beside()), ALL, NUMBERS, "column 1 holds the labels"),
    "labels last, no header": (csv(*beside(), LABELS), ALL, NUMBERS, "column 65 holds the labels"),
    "no labels, no header": (csv(*beside()), ALL, NONE, ""),
    "header of numbers": (csv(*beside(), header=range(64)), ALL, NONE, ""),
    "header of pandas": (csv(range(40), *beside(), header=["", *range(64)]), ALL, NONE, "without a name"),
    "labels last, odd name": (csv(*beside(), LABELS, header=[*NAMES, "digit"]), ALL, NUMBERS, "digit holds"),
    "labels of words": (csv(WORDS, *beside(), header=["kind", *NAMES]), ALL, [*np.unique(WORDS)], "kind holds"),
    "names of files beside": (
        csv([f"{at}.png" for at in range(40)], *beside(), WORDS, header=["file", *NAMES, "kind"]),
        ALL, [*np.unique(WORDS)], "left out the column file",
    ),
    "shuffled columns": (
        csv(LABELS, *beside(SHUFFLED), header=["label", *np.array(NAMES)[SHUFFLED]]), ALL, NUMBERS, "in the order of",
    ),
    "columns in alphabetic order": (
        csv(LABELS, *beside(ALPHABETIC), header=["label", *np.array(NAMES)[ALPHABETIC]]), ALL, NUMBERS, "in the order of",
    ),
    "columns named row x column": (
        csv(LABELS, *beside(), header=["label", *(f"{at // 8 + 1}x{at % 8 + 1}" for at in range(64))]), ALL, NUMBERS, "",
    ),
    "columns named x and y": (
        csv(LABELS, *beside(), header=["label", *(f"x{at % 8}y{at // 8}" for at in range(64))]), ALL, NUMBERS, "",
    ),
    "pixels as text": (csv(LABELS, text(" "), USAGE, header=["emotion", "pixels", "Usage"]), ALL, NUMBERS, "emotion holds"),
    "pixels as a list in text": (csv(LABELS, text(", "), header=["label", "pixels"]), ALL, NUMBERS, ""),
    "an empty line of cells": (
        [["label", *NAMES], [""] * 65, *csv(LABELS, *beside())], ALL, NUMBERS, "left out 1 row with empty cells",
    ),
    "lists": ({"label": LABELS, "image": FLAT.tolist()}, ALL, NUMBERS, ""),
    "lists of rows": ({"label": LABELS, "image": IMAGES.tolist()}, ALL, NUMBERS, ""),
    "lists, some empty or short": (
        {"label": LABELS, "image": [None if at == 3 else row[: 9 if at == 5 else 64].tolist() for at, row in enumerate(FLAT)]},
        sorted({*ALL} - {3, 5}), NUMBERS, "left out 2 rows",
    ),
    "an empty cell": (columns(label=LABELS) | {"pixel9": without(FLAT[:, 9], 7)}, sorted({*ALL} - {7}), NUMBERS, "1 row"),
    "an empty label": (columns(label=without(LABELS, 7)), ALL, NONE, "1 of those in 'label' are empty"),
    "splits and an empty cell": (
        columns(split=USAGE, label=LABELS) | {"pixel9": without(FLAT[:, 9], 7)}, sorted({*ALL} - {7}), NUMBERS, "1 row",
    ),
}  # fmt: skip


def written(folder, content):
    if isinstance(content, dict):
        parquet.write_table(arrow.table(content), folder / "t.parquet")
        return folder / "t.parquet"
    (folder / "t.csv").write_text("\n".join(",".join(map(str, row)) for row in content))
    return folder / "t.csv"


@pytest.mark.parametrize("name", TABLES)
def test_each_image_keeps_its_label(tmp_path, capsys, name):
    content, rows, classes, said = TABLES[name]
    path = written(tmp_path, content)
    data = datasets.load(path)
    images = np.concatenate([data.train.images, data.test.images])[..., 0]
    found = [int(np.flatnonzero((image == IMAGES).all((1, 2)))[0]) for image in images]
    assert sorted(found) == rows
    assert data.classes == tuple(classes)
    if classes:
        labels = np.concatenate([data.train.labels, data.test.labels])
        assert labels.tolist() == LABELS[found].tolist()
    assert said in capsys.readouterr().err
    if "USAGE" in name or "splits" in name or "as text" in name:
        assert {USAGE[at] for at in found[: len(data.train.images)]} == {"Training"}
    # the same images reach a finished run
    with given_to_infer(str(path), ["image"], (8, 8, 1), Reading()) as given:
        again = np.concatenate([chunk.arrays["image"] for chunk in given.chunks])
    assert sorted(image.tobytes() for image in again) == sorted(image.tobytes() for image in images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (csv(*beside(range(62))), "62 columns"),
        ({"image": FLAT[:, :60].tolist()}, "'image' have 60 numbers, .* say the shape"),
        (
            columns() | {name: without(FLAT[:, 0], *range(30)) for name in NAMES[:1]},
            "30 of 40 rows have empty",
        ),
        ({}, "it has no columns"),
    ],
)
def test_tables_that_hold_no_images(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        datasets.load(written(tmp_path, content))


def test_lists_take_the_shape_that_is_said(tmp_path):
    path = written(tmp_path, {"image": FLAT[:, :60].tolist()})
    data = datasets.load(path, reading=Reading(image_shape=(6, 10, 1)))
    images = np.concatenate([data.train.images, data.test.images])
    assert sorted(image.tobytes() for image in images) == sorted(row.tobytes() for row in FLAT[:, :60])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": IMAGES, "y_train": LABELS}, ""),
        ({"x_train": FLAT, "y_train": LABELS}, ""),
        ({"data": IMAGES, "target": LABELS}, "data holds the images, target the labels"),
        (
            {"x_train": IMAGES[:30], "y_train": LABELS[:30], "x_val": IMAGES[30:], "y_val": LABELS[30:]},
            "validation",
        ),
    ],
)
def test_arrays_of_a_file_keep_their_labels(tmp_path, capsys, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    data = datasets.load(tmp_path / "a.npz")
    for split in (data.train, data.test):
        found = [int(np.flatnonzero((image == IMAGES).all((1, 2)))[0]) for image in split.images[..., 0]]
        assert split.labels.tolist() == LABELS[found].tolist()
    assert len(data.train.images) + len(data.test.images) == 40
    assert said in capsys.readouterr().err


def test_fractions_in_text_stay_fractions_beside_blank_rows(tmp_path):
    images = IMAGES.copy()
    images[[0, 7]] = 0
    cells = [
        " ".join(f"{value / 255:.6f}" if image.any() else "0" for value in image.ravel()) for image in images
    ]
    data = datasets.load(written(tmp_path, csv([f'"{cell}"' for cell in cells], header=["pixels"])))
    found = np.concatenate([data.train.images, data.test.images])[..., 0]
    assert sorted(map(bytes, found)) == sorted(map(bytes, images))


def test_lists_with_their_channels_first_are_turned(tmp_path, capsys):
    colours = RNG.integers(0, 256, (12, 3, 8, 9), dtype=np.uint8)
    data = datasets.load(written(tmp_path, {"image": colours.tolist()}))
    found = np.concatenate([data.train.images, data.test.images])
    assert sorted(map(bytes, found)) == sorted(
        map(bytes, np.ascontiguousarray(colours.transpose(0, 2, 3, 1)))
    )
    assert "image has its channels first" in capsys.readouterr().err


def test_targets_in_another_table_belong_to_the_same_rows(tmp_path):
    for name, empty in (("in", 3), ("out", 7)):
        rows = [list(row) for row in FLAT]
        rows[empty][5] = ""
        (tmp_path / f"{name}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    data = datasets.load(tmp_path / "in.csv", target=tmp_path / "out.csv")
    for split in (data.train, data.test):
        np.testing.assert_array_equal(split.images, split.targets)
    assert len(data.train.images) + len(data.test.images) == 38


def test_rows_keep_their_numbers_as_names(tmp_path):
    path = written(tmp_path, TABLES["lists, some empty or short"][0])
    with given_to_infer(str(path), ["image"], (8, 8, 1), Reading()) as given:
        chunks = list(given.chunks)
    names = [int(name) for chunk in chunks for name in chunk.names]
    images = np.concatenate([chunk.arrays["image"] for chunk in chunks])[..., 0]
    assert 3 not in names
    np.testing.assert_array_equal(images, IMAGES[names])


def test_pictures_that_a_table_names_are_read_anew_when_they_change(tmp_path):
    for number in range(6):
        Image.fromarray(IMAGES[number]).save(tmp_path / f"{number}.png")
    path = written(tmp_path, csv([f"{number}.png" for number in range(6)], header=["file"]))
    before = datasets.load(path).sha256
    Image.fromarray(IMAGES[9]).save(tmp_path / "0.png")
    assert datasets.load(path).sha256 != before
