"""Hostile files in every place from which a command reads: a message and an exit code, no code run,
nothing written elsewhere.
"""

import gzip
import resource
import shutil
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile
import pytest
from click.testing import CliRunner

from keras_mnist_ae import datasets, train
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import CorruptFileError
from keras_mnist_ae.runs.folder import Run
from keras_mnist_ae.training import callbacks

MOST = 512 * 2**20  # bytes that a command may take for a hostile file
SETTINGS = {"dataset": "digits", "limit": 64, "epochs": 2, "checkpoint_every": "1"}


def cases(*corpora):
    return [
        pytest.param(command, name, make, id=f"{command[0]} {name}: {what}")
        for command, name, corpus in corpora
        for what, make in corpus.items()
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished and exported run, one stopped with a checkpoint, images."""
    folder = tmp_path_factory.mktemp("mine")
    train("mlp", runs_dir=folder, name="run", **SETTINGS)
    assert CliRunner().invoke(kae, ["export", "onnx", str(folder / "run"), "--images", "4"]).exit_code == 0

    class Stop(Exception):
        pass

    def stop(self, batch, logs=None, original=callbacks.Checkpoints.on_train_batch_end):
        original(self, batch, logs)
        raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(callbacks.Checkpoints, "on_train_batch_end", stop)
        train("mlp", runs_dir=folder, name="stopped", **SETTINGS)
    import numpy as np

    np.save(folder / "images.npy", datasets.load("digits").test.images[:8])
    (folder / "image.png").write_bytes(hostile.png(28, 28)(b"", Path()))
    (folder / "stack.tif").write_bytes(hostile.tiff(28, 28)(b"", Path()))
    (folder / "pictures").mkdir()
    shutil.copy(folder / "image.png", folder / "pictures")
    (folder / "idx" / "mnist").mkdir(parents=True)
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / "idx" / "mnist" / f"{part}-ubyte").write_bytes(
            struct.pack(">IIII", 2051, 60_000, 28, 28) + bytes(10_000)
        )
    shutil.copy(folder / "run" / "variant.toml", folder / "table.toml")
    calibrated = CliRunner().invoke(kae, ["calibrate", str(folder / "run"), "--false-alarms", "0.2"])
    assert calibrated.exit_code == 0, calibrated.output
    others(folder)
    return folder


def others(folder):
    """True files of the other kinds that can be read."""
    import numpy as np

    data = datasets.load("digits")
    images, labels = data.test.images[:20], data.test.labels[:20]
    np.savez(folder / "images.npz", images=images, labels=labels)
    lines = ["label," + ",".join(f"pixel{number}" for number in range(784))]
    lines += [
        f"{label}," + ",".join(map(str, image.reshape(-1)))
        for label, image in zip(labels, images, strict=True)
    ]
    text = "\n".join(lines).encode() + b"\n"
    (folder / "table.csv").write_bytes(text)
    (folder / "table.csv.gz").write_bytes(gzip.compress(text))
    encoded = hostile.png(28, 28)(b"", Path())
    (folder / "table.parquet").write_bytes(hostile.parquet(image=[encoded] * 20)(b"", Path()))
    members = [(f"{number}.png", encoded, {}) for number in range(20)]
    (folder / "shard.tar").write_bytes(hostile.tar(*members)(b"", Path()))
    (folder / "sweep.toml").write_text('[settings]\nvariant = "mlp"\ndataset = "digits"\nepochs = 1\n')


@contextmanager
def little_memory() -> Iterator[None]:
    """No more of it than this process has already, and MOST."""
    if not Path("/proc/self/statm").exists():
        yield
        return
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def attacked(folder, tmp_path, command, name, make, signed):
    """Put the hostile file in the place of the true one; give what the command says."""
    place = shutil.copytree(folder, tmp_path / "place")
    mark = tmp_path / "mark"
    path = place / name
    content = make(path.read_bytes(), mark)
    if signed:  # by one who knows the checksums too
        run = Run(place / name.split("/")[0])
        with run.replacing(name.split("/", 1)[1]) as temporary:
            temporary.write_bytes(content)
    else:
        path.write_bytes(content)
    before = {entry for entry in tmp_path.rglob("*") if ".lock" not in entry.name}
    words = [str(place / word[1:]) if word.startswith("@") else word for word in command]
    with little_memory():
        done = CliRunner().invoke(kae, words)
    assert not mark.exists(), "code in the file was run"
    assert not Path("/escaped.txt").exists()
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "Traceback" not in done.output
    assert len(done.stderr.strip().splitlines()) <= 8, done.stderr
    assert "This is a bug" not in done.stderr, done.stderr
    return done, {entry for entry in tmp_path.rglob("*") if ".lock" not in entry.name} - before


RUN = (
    (("evaluate", "@run"), "run/model.keras", hostile.MODEL),
    (("resume", "@stopped"), "stopped/checkpoints/000000-00000001.npz", hostile.CHECKPOINT),
    (("evaluate", "@run"), "run/metrics.json", hostile.JSON),
    (("evaluate", "@run"), "run/environment.json", hostile.JSON),
    (("runs", "--compare", "@run", "@stopped"), "run/history.csv", hostile.JSON),
    (("evaluate", "@run"), "run/config.toml", hostile.TOML),
)


@pytest.mark.parametrize(("command", "name", "make"), cases(*RUN))
def test_files_of_a_run_with_their_checksums(folder, tmp_path, command, name, make):
    done, new = attacked(folder, tmp_path, command, name, make, signed=True)
    assert done.exit_code in (2, 4, 5), done.output
    assert not new


LITTLE = ("--epochs", "1", "--batch-size", "2", "--limit", "4", "--runs-dir", "@new")
OTHER = (
    (("evaluate", "@run"), "run/checksums.json", hostile.JSON),
    (
        ("evaluate", "@run", "--onnx"),
        "run/onnx/encoder.onnx",
        {f"truncated to {part} tenths": hostile.truncated(part) for part in range(10)},
    ),
    (("evaluate", "@run", "--onnx"), "run/onnx/manifest.json", hostile.JSON),
    (("infer", "encode", "@run/onnx", "@images.npy", "-o", "@out.npy"), "images.npy", hostile.IMAGES),
    (("infer", "encode", "@run/onnx", "@image.png", "-o", "@out.npy"), "image.png", hostile.PNG),
    (("train", "--config", "@run/config.toml", "--runs-dir", "@new"), "run/config.toml", hostile.TOML),
    (("train", "mlp", "--dataset", "@images.npy", *LITTLE), "images.npy", hostile.IMAGES),
    (("train", "--table", "@table.toml", "--dataset", "digits", *LITTLE), "table.toml", hostile.TABLE),
    (("models", "--check", "@table.toml"), "table.toml", hostile.TABLE),
    (("train", "mlp", "--dataset", "@pictures", *LITTLE), "pictures/image.png", hostile.PNG),
    (("train", "mlp", "--dataset", "@stack.tif", *LITTLE), "stack.tif", hostile.TIFF),
    (("train", "mlp", "--data-dir", "@idx", *LITTLE), "idx/mnist/train-images-idx3-ubyte", hostile.IDX),
)


KINDS = (
    (("train", "mlp", "--dataset", "@images.npz", *LITTLE), "images.npz", hostile.ARCHIVE),
    (("infer", "encode", "@run/onnx", "@images.npz", "-o", "@out.npy"), "images.npz", hostile.ARCHIVE),
    (("train", "mlp", "--dataset", "@table.csv", *LITTLE), "table.csv", hostile.CSV),
    (("infer", "encode", "@run/onnx", "@table.csv", "-o", "@out.npy"), "table.csv", hostile.CSV),
    (("train", "mlp", "--dataset", "@table.csv.gz", *LITTLE), "table.csv.gz", hostile.GZIP),
    (("train", "mlp", "--dataset", "@table.parquet", *LITTLE), "table.parquet", hostile.PARQUET),
    (("infer", "encode", "@run/onnx", "@table.parquet", "-o", "@out.npy"), "table.parquet", hostile.PARQUET),
    (("train", "mlp", "--dataset", "@shard.tar", *LITTLE), "shard.tar", hostile.TAR),
    (("infer", "encode", "@run/onnx", "@shard.tar", "-o", "@out.npy"), "shard.tar", hostile.TAR),
    (("train", "mlp", "--dataset", "@pictures", *LITTLE), "pictures/image.png", hostile.PICTURE),
    (("infer", "encode", "@run/onnx", "@image.png", "-o", "@out.npy"), "image.png", hostile.PICTURE),
    (("sweep", "@sweep.toml", "--runs-dir", "@new"), "sweep.toml", hostile.SWEEP),
)
SIGNED = (
    (("score", "@run", "@images.npy", "-o", "@out.csv"), "run/calibration.json", hostile.JSON),
    (("score", "@run", "@images.npy", "-o", "@out.csv"), "run/scoring.npz", hostile.CHECKPOINT),
)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "name", "make"), cases(*KINDS))
def test_files_of_other_kinds(folder, tmp_path, command, name, make):
    done, new = attacked(folder, tmp_path, command, name, make, signed=False)
    if name == "shard.tar" and "lacks the end of an archive" in done.stderr:
        return  # the pictures before the cut are read, which is said
    assert done.exit_code in (2, 4, 5), done.output
    assert not new


@pytest.mark.slow
@pytest.mark.parametrize(("command", "name", "make"), cases(*SIGNED))
def test_what_scores_are_made_with(folder, tmp_path, command, name, make):
    done, new = attacked(folder, tmp_path, command, name, make, signed=True)
    assert done.exit_code in (2, 4, 5), done.output
    assert not new


@pytest.mark.parametrize(("command", "name", "make"), cases(*OTHER))
def test_files_without_checksums_of_ours(folder, tmp_path, command, name, make):
    done, new = attacked(folder, tmp_path, command, name, make, signed=False)
    assert done.exit_code in (2, 4, 5), done.output
    assert not new


def test_corpus_is_large_and_true_files_pass(folder, tmp_path):
    assert sum(len(corpus) for _, _, corpus in (*RUN, *OTHER, *KINDS, *SIGNED)) >= 250
    read = [case for case in KINDS if case[0][0] == "infer"]
    for number, (command, name, _) in enumerate((*RUN[:1], *RUN[2:4], *OTHER[:-3], *read, *SIGNED[:1])):
        done, _ = attacked(
            folder,
            tmp_path / str(number),
            command,
            name,
            lambda content, mark: content,
            signed=name.startswith("run/m"),
        )
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model.pkl", "a pickle, which can hold code"),
        ("model.pt", "a PyTorch file"),
        ("model.h5", "a bare HDF5 file"),
    ],
)
def test_other_kinds_of_model_files_are_refused_with_the_reason(folder, tmp_path, name, reason):
    from keras_mnist_ae.models.saving import load

    path, pickled = tmp_path / name, hostile.pickled(b"", tmp_path / "mark")
    with zipfile.ZipFile(folder / "run" / "model.keras") as archive:
        path.write_bytes({"model.pkl": pickled, "model.h5": archive.read("model.weights.h5")}.get(name, b""))
    if name == "model.pt":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
    with pytest.raises(CorruptFileError, match=f"is not a model this package can open: it is {reason}"):
        load(path)
    assert not (tmp_path / "mark").exists()
