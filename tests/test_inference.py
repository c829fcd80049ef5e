"""kae infer: every kind of file, in chunks, and what it says of files that do not fit."""

import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from keras_mnist_ae import build, datasets
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets.reading import Fit
from keras_mnist_ae.export import streams, weights
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.runtime import OnnxAutoencoder

IMAGES = datasets.load("digits").test.images[:300]  # more than a chunk


def exported(folder, name):
    model = build(name, seed=1)
    folder.mkdir()
    for graph, proto in emit(model.variant, weights.read(model), {}).items():
        (folder / f"{graph}.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    return folder


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("infer") / "mlp", "mlp")


@pytest.fixture(scope="module")
def unpool(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("infer") / "unpool", "conv-unpool")


def run(*arguments):
    return CliRunner().invoke(kae, ["infer", *map(str, arguments)], catch_exceptions=False)


@pytest.mark.parametrize("form", ["npy", "npz", "compressed"])
def test_arrays_are_encoded_decoded_and_reconstructed(mlp, tmp_path, form):
    source = tmp_path / ("images.npy" if form == "npy" else "images.npz")
    save = {
        "npy": np.save,
        "npz": lambda path, array: np.savez(path, anything=array),
        "compressed": np.savez_compressed,
    }[form]
    save(source, IMAGES)
    assert (
        run("encode", mlp, source, "-o", tmp_path / "codes.npy").stdout
        == f"300 codes in {tmp_path / 'codes.npy'}\n"
    )
    told = json.loads(
        run("decode", mlp, tmp_path / "codes.npy", "-o", tmp_path / "decoded.npz", "--json").stdout
    )
    assert told["count"] == 300
    assert run("reconstruct", mlp, source, "-o", tmp_path / "images-again.npy").exit_code == 0
    ours = OnnxAutoencoder(mlp)
    np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), ours.encode(IMAGES), atol=1e-6)
    np.testing.assert_allclose(
        np.load(tmp_path / "decoded.npz")["reconstruction"], ours.reconstruct(IMAGES), atol=1e-6
    )
    np.testing.assert_allclose(np.load(tmp_path / "images-again.npy"), ours.reconstruct(IMAGES), atol=1e-6)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_switches_travel_in_an_npz(unpool, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    assert run("encode", unpool, tmp_path / "images.npy", "-o", tmp_path / "codes.npz").exit_code == 0
    with np.load(tmp_path / "codes.npz") as codes:
        assert {name: (array.dtype.name, array.shape) for name, array in codes.items()} == {
            "latent": ("float32", (300, 64)),
            "switch_a": ("uint8", (300, 14, 14, 16)),
            "switch_b": ("uint8", (300, 7, 7, 32)),
        }
    assert run("decode", unpool, tmp_path / "codes.npz", "-o", tmp_path / "images-again.npy").exit_code == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "images-again.npy"), OnnxAutoencoder(unpool).reconstruct(IMAGES), atol=1e-6
    )


def test_pictures_in_and_out(mlp, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, image in enumerate(IMAGES[:12]):
        Image.fromarray(image[..., 0]).convert("RGB" if number % 2 else "L").save(
            pictures / f"{number:02}.png"
        )
    (pictures / "11.png").rename(pictures / "last.png")
    assert run("reconstruct", mlp, pictures, "-o", tmp_path / "out").exit_code == 0
    expected = np.rint(np.clip(OnnxAutoencoder(mlp).reconstruct(IMAGES[:12]), 0, 1) * 255)
    found = np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "out").iterdir())])
    np.testing.assert_allclose(found, expected[..., 0], atol=1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in pictures.iterdir()
    )
    assert run("encode", mlp, pictures / "03.png", "-o", tmp_path / "one.npy").exit_code == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "one.npy"), OnnxAutoencoder(mlp).encode(IMAGES[3:4]), atol=1e-5
    )


def test_pictures_whose_names_differ_only_in_their_endings_keep_them(mlp, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, image in zip(("a.png", "a.jpg", "b.png"), IMAGES, strict=False):
        Image.fromarray(image[..., 0]).save(pictures / name)
    assert run("reconstruct", mlp, pictures, "-o", tmp_path / "out").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg.png", "a.png.png", "b.png"]


def test_pictures_become_what_training_makes_of_them(mlp, tmp_path):
    """The same codes, whatever the file: transparent, of 16 bits, a palette; and of another size
    where the run was resized.
    """
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGBA", (28, 28), (0, 0, 0, 0)).save(folder / "a.png")
    Image.fromarray(np.full((28, 28), 60 * 257, np.uint16)).save(folder / "b.png")
    Image.new("L", (28, 28), 9).convert("P").save(folder / "c.png")
    Image.new("L", (28, 28), 100).save(folder / "d.jpg")
    trained = datasets.load(str(folder), fit=Fit(28, 28, 1))
    assert run("encode", mlp, folder, "-o", tmp_path / "codes.npy").exit_code == 0
    theirs = OnnxAutoencoder(mlp).encode(np.concatenate([trained.train.images, trained.test.images]))
    codes = [np.sort(array[:, 0]) for array in (np.load(tmp_path / "codes.npy"), theirs)]
    np.testing.assert_allclose(*codes, atol=1e-5)
    Image.new("L", (56, 60), 100).save(folder / "d.jpg")
    refused = run("encode", mlp, folder, "-o", tmp_path / "codes.npy")
    assert refused.exit_code == 4
    assert "d.jpg is 56x60 pixels; expected 28x28" in refused.stderr


def shelf(folder):
    """Pictures in sub-folders, one of them broken, and a file that is no picture."""
    for number, image in enumerate(IMAGES[:8]):
        place = folder / ("cat" if number < 5 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{number}.bmp")
    (folder / "cat" / "9.png").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_tables_of_codes_bear_names_and_classes(mlp, tmp_path, suffix):
    """Read by pyarrow and numpy; the broken picture is left out and said, and codes come back."""
    result = run("encode", mlp, shelf(tmp_path / "shelf"), "-o", tmp_path / f"codes.{suffix}")
    assert result.exit_code == 0, result.output
    assert "8 images; left out 1: 1 not pictures (.txt); 1 broken: cat/9.png" in result.stderr
    path = tmp_path / f"codes.{suffix}"
    if suffix == "npz":
        with np.load(path) as arrays:
            names, classes, codes = (arrays[name] for name in ("name", "class", "latent"))
    else:
        table = arrow_csv.read_csv(path) if suffix == "csv" else parquet.read_table(path)
        assert table.column_names == ["name", "class", *(f"z{at}" for at in range(32))]
        names, classes, *columns = (column.to_pylist() for column in table.columns)
        codes = np.array(columns).T
    assert list(names) == [f"cat/{at}.bmp" for at in range(5)] + [f"dog/{at}.bmp" for at in range(5, 8)]
    assert list(classes) == ["cat"] * 5 + ["dog"] * 3
    np.testing.assert_allclose(codes, OnnxAutoencoder(mlp).encode(IMAGES[:8]), atol=1e-5)
    assert run("decode", mlp, path, "-o", tmp_path / "again.npy").exit_code == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "again.npy"), OnnxAutoencoder(mlp).reconstruct(IMAGES[:8]), atol=1e-5
    )


def test_pictures_keep_their_tree(mlp, tmp_path):
    assert run("reconstruct", mlp, shelf(tmp_path / "shelf"), "-o", tmp_path / "out").exit_code == 0
    found = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")
    )
    assert found == [f"cat/{at}.png" for at in range(5)] + [f"dog/{at}.png" for at in range(5, 8)]
    expected = np.rint(np.clip(OnnxAutoencoder(mlp).reconstruct(IMAGES[7:8]), 0, 1)[0, ..., 0] * 255)
    np.testing.assert_allclose(np.asarray(Image.open(tmp_path / "out/dog/7.png")), expected, atol=1)


def test_a_source_that_training_takes_gives_the_codes_of_its_images(mlp, tmp_path):
    """The same images as int64, rows with a label in a CSV, shards, MedMNIST's arrays, channels
    first, and by a name of the catalogue.
    """
    images = IMAGES[:6]
    expected = OnnxAutoencoder(mlp).encode(images)
    np.save(tmp_path / "int64.npy", images.astype(np.int64))
    np.save(tmp_path / "first.npy", images.transpose(0, 3, 1, 2))
    np.save(tmp_path / "range.npy", images.astype(np.float32) * 4)
    np.savez(tmp_path / "med.npz", train_images=images[:4, ..., 0], test_images=images[4:, ..., 0])
    rows = np.column_stack([np.arange(6), images.reshape(6, -1)])
    header = ",".join(["label", *(f"p{at}" for at in range(784))])
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",", header=header, comments="")
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for number, image in enumerate(images):
            content = io.BytesIO()
            Image.fromarray(image[..., 0]).save(content, "PNG")
            entry = tarfile.TarInfo(f"../{number}.png")
            entry.size = len(content.getvalue())
            archive.addfile(entry, io.BytesIO(content.getvalue()))
    for name in ("int64.npy", "first.npy", "med.npz", "train.csv", "shard.tar", "range.npy"):
        more = ["--range", "0:1020"] if name == "range.npy" else []
        result = run("encode", mlp, tmp_path / name, "-o", tmp_path / "codes.npy", *more)
        assert result.exit_code == 0, (name, result.output)
        np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), expected, atol=1e-5, err_msg=name)
    assert run("reconstruct", mlp, tmp_path / "shard.tar", "-o", tmp_path / "out").exit_code == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 6, "a shard wrote outside its folder"
    assert run("encode", mlp, "digits", "-o", tmp_path / "all.csv").exit_code == 0
    lines = (tmp_path / "all.csv").read_text().splitlines()
    assert (len(lines), lines[1438].split(",")[0]) == (1 + 1437 + 360, "test/0")


def test_nothing_in_gives_nothing_out(mlp, tmp_path):
    np.save(tmp_path / "none.npy", IMAGES[:0])
    assert run("encode", mlp, tmp_path / "none.npy", "-o", tmp_path / "codes.npy").exit_code == 0
    assert np.load(tmp_path / "codes.npy").shape == (0, 32)


def test_memory_does_not_grow_with_the_file(mlp, tmp_path):
    """A header that promises more rows than fit in any memory, over a stream that is read a chunk
    at a time.
    """
    asked = []

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            asked.append(size)
            return bytes(size)

    rows = streams.rows(Endless(), (10**9, 28, 28, 1), np.dtype("uint8"), 0, tmp_path)
    assert rows.shape == (streams.CHUNK, 28, 28, 1)
    assert asked == [streams.CHUNK * 784]


def npy(array, **replaced):
    file = io.BytesIO()
    np.save(file, array, **replaced)
    return file.getvalue()


@pytest.mark.parametrize(
    ("job", "name", "content", "code", "message"),
    [
        ("encode", "missing.npy", None, 4, "missing.npy cannot be read"),
        ("encode", "images.gif", b"", 4, "1 of 1 picture"),
        ("encode", "images.wav", b"", 4, "images.wav is no picture, and no file of a known kind"),
        ("encode", "images.npy", b"nothing", 4, "images.npy cannot be read"),
        (
            "encode",
            "images.npy",
            npy(IMAGES)[:-1000],
            4,
            "it is truncated: 234,328 bytes for shape (300, 28, 28, 1)",
        ),
        ("encode", "images.npy", npy(IMAGES[:, :20]), 4, "image has shape"),
        ("encode", "images.npy", npy(np.full((2, 28, 28), np.nan, "float32")), 4, "image number 0 holds nan"),
        ("encode", "images.npy", npy(np.array([object()]), allow_pickle=True), 4, "type object"),
        ("encode", "images.npz", b"nothing", 4, "images.npz cannot be read"),
        ("encode", "image.png", b"nothing", 4, "cannot be read: image.png (its content is no picture)"),
        ("decode", "codes.npy", npy(np.zeros((2, 7), "float32")), 4, "latent has shape (256, 7)"),
        ("decode", "image.png", b"", 4, "codes cannot be read from image.png"),
    ],
)
def test_input_that_does_not_fit(mlp, tmp_path, job, name, content, code, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "out.npy").write_bytes(b"old")
    result = run(job, mlp, tmp_path / name, "-o", tmp_path / "out.npy")
    assert result.exit_code == code, result.stderr
    assert message.replace("(256, 7)", "(2, 7)") in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "out.npy").read_bytes() == b"old", "a failure changed the output"
    assert not [path for path in os.listdir(tmp_path) if path.startswith(".")]


@pytest.mark.parametrize(
    ("job", "target", "message"),
    [
        ("encode", "codes", "name a .npy or .npz file, or a .csv or .parquet table."),
        ("reconstruct", "images.csv", "cannot write images.csv"),
        ("reconstruct", "existing", "exists; name a new folder"),
    ],
)
def test_output_that_cannot_be(mlp, tmp_path, job, target, message):
    np.save(tmp_path / "images.npy", IMAGES[:2])
    (tmp_path / "existing").mkdir()
    result = run(job, mlp, tmp_path / "images.npy", "-o", tmp_path / target)
    assert result.exit_code == 2
    assert message in result.stderr


def test_codes_with_switches_need_an_npz(unpool, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES[:2])
    assert (
        "name a .npz file"
        in run("encode", unpool, tmp_path / "images.npy", "-o", tmp_path / "codes.npy").stderr
    )
    np.save(tmp_path / "codes.npy", np.zeros((2, 64), "float32"))
    result = run("decode", unpool, tmp_path / "codes.npy", "-o", tmp_path / "out.npy")
    assert result.exit_code == 2
    assert "latent, switch_a, switch_b: give a .npz file" in result.stderr


def test_changed_graph_is_refused(mlp, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in mlp.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    graphs = [{"file": "encoder.onnx", "sha256": "0" * 64}]
    (folder / "manifest.json").write_text(
        json.dumps({"variant": "mlp", "precision": "float32", "weights_sha256": "", "graphs": graphs})
    )
    np.save(tmp_path / "images.npy", IMAGES[:2])
    result = run("encode", folder, tmp_path / "images.npy", "-o", tmp_path / "codes.npy")
    assert result.exit_code == 5
    assert "encoder.onnx is not the file that its manifest.json names" in result.stderr


def test_command_loads_neither_keras_nor_onnx(mlp, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES[:2])
    arguments = ["infer", "encode", str(mlp), str(tmp_path / "images.npy"), "-o", str(tmp_path / "codes.npy")]
    code = f"import sys; from keras_mnist_ae.cli.main import kae; kae({arguments!r}, standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"keras", "torch", "tensorflow", "jax", "onnx", "matplotlib", "sklearn"} & set(
        done.stdout.split()
    )
