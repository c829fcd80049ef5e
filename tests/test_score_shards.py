"""kae score --shards: the rows of one process, whatever makes them."""

import csv
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import keras_mnist_ae as kae
from keras_mnist_ae import datasets
from keras_mnist_ae.cli.main import kae as command
from keras_mnist_ae.system import workers

IMAGES = datasets.load("digits").train.images[:700]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run = kae.train("mlp", "digits", limit=300, validation=60, epochs=1, runs_dir=folder, name="one")
    kae.export_onnx(run, images=8)
    kae.calibrate(run, 0.05)
    return run


@pytest.fixture
def pictures(tmp_path):
    """A folder of two classes, a file of which is none, and the same images as an array."""
    for at, image in enumerate(IMAGES):
        path = tmp_path / "pictures" / "ab"[at % 2] / f"{at:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    (tmp_path / "pictures" / "b" / "301.png").write_bytes(b"nothing")
    np.save(tmp_path / "array.npy", IMAGES)
    return tmp_path


def answer(*arguments):
    done = CliRunner().invoke(command, ["score", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def rows_of(*paths):
    return [row for path in paths for row in list(csv.reader(path.read_text().splitlines()))[1:]]


@pytest.mark.parametrize("source", ["pictures", "array.npy"])
def test_the_rows_are_those_of_one_process(run, pictures, source):
    code, _, err = answer(run.path / "onnx", pictures / source, "-o", pictures / "whole.csv")
    assert code == 0, err
    target = pictures / "parts"
    call = (run.path, pictures / source, "-o", target, "--shards", 3, "--workers", 2, "--json")
    code, out, err = answer(*call)
    assert code == 0, err
    told, whole = json.loads(out), rows_of(pictures / "whole.csv")
    assert len(whole) == (699 if source == "pictures" else 700)
    assert rows_of(*sorted(target.glob("*.csv"))) == whole
    assert (told["n"], told["shards"], told["made"]) == (len(whole), 3, 3)
    assert told["flagged"] == sum(row[-1] == "True" for row in whole)
    assert ("1 broken: b/301.png" in err) == (source == "pictures")
    (target / "shard-00001-of-00003.csv").unlink()
    code, out, _ = answer(*call)
    assert (code, json.loads(out)["made"]) == (0, 1)
    assert rows_of(*sorted(target.glob("*.csv"))) == whole


def test_another_calibration_does_not_mix_with_what_is_there(run, pictures, monkeypatch):
    def inline(function, tasks, argument, done, workers, advance):
        for task in tasks:
            done(task, function(argument(task), lambda count: None))

    monkeypatch.setattr(workers, "each", inline)
    export = shutil.copytree(run.path, pictures / "copy") / "onnx"
    call = (export.parent, pictures / "array.npy", "-o", pictures / "parts", "--shards", 1)
    assert answer(*call, "--format", "npz")[0] == 0
    with np.load(pictures / "parts" / "shard-00000-of-00001.npz") as stored:
        assert stored["flagged"].sum() > 0
        assert stored["image"].tolist() == list(range(700))
    kae.calibrate(kae.load(export.parent), 0.1)
    code, _, err = answer(*call, "--format", "npz")
    assert (code, "another model" in err) == (2, True)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--shards", 2], "-o FOLDER"),
        (["--shards", 2, "-o", "parts", "--maps", "maps"], "without --maps"),
        (["--workers", 2], "--shards N"),
        (["--format", "csv"], "--shards N"),
    ],
)
def test_options_that_do_not_go_together(run, pictures, more, told):
    code, _, err = answer(run.path, pictures / "array.npy", *more)
    assert (code, told in err) == (2, True)


def test_an_export_without_calibration_is_told_how_to_get_one(run, pictures):
    export = shutil.copytree(run.path / "onnx", pictures / "export")
    for name in ("calibration.json", "scoring.npz"):
        (export / name).unlink()
    code, _, err = answer(export, pictures / "array.npy", "--shards", 2, "-o", pictures / "parts")
    assert (code, "kae calibrate" in err) == (2, True)
